# Reads messages, each behind its length and a line end, and writes each one's tree as a line of JSON: by MIME-tools.
use strict; use warnings;
use MIME::Parser; use MIME::WordDecoder; use JSON::PP; use Encode qw(decode);
binmode STDIN; binmode STDOUT;
my $json = JSON::PP->new->ascii->canonical;
sub words { my ($raw) = @_; return undef unless defined $raw;
  $raw =~ s/\r?\n(?=[ \t])//g; $raw =~ s/\s+\z//; return decode('MIME-Header', $raw); }
sub tree { my ($part) = @_;
  my @parts = $part->parts;
  my $type = $part->effective_type;
  return { type => $type, parts => [map { tree($_) } @parts] } if $type =~ m{^multipart/};
  my $head = $part->head; my $handle = $part->bodyhandle;
  my $name = $head->recommended_filename; my $cid = $head->get('Content-ID');
  $cid =~ s/[<>\s]//g if defined $cid;
  return { type => $type, name => $name, cid => $cid, data => unpack('H*', $handle ? $handle->as_string : '') }; }
$| = 1;
while (defined(my $length = <STDIN>)) {
  read(STDIN, my $raw, $length) == $length or die "cut";
  my $parser = MIME::Parser->new; $parser->output_to_core(1); $parser->tmp_to_core(1); $parser->extract_nested_messages(0);
  my $entity = $parser->parse_data($raw);
  my %head = map { $_ => words($entity->head->get($_)) } qw(From To Cc Reply-To Subject X-Note);
  my @bad = grep { !/^\s*$/ } $parser->results ? $parser->results->msgs : ();
  print $json->encode({ head => \%head, tree => tree($entity), bad => \@bad }), "\n";
}
