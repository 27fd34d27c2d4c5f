# Reads messages, each behind its length and a line end, and writes each one's tree as a line of JSON: by Email::MIME.
use strict; use warnings;
use Email::MIME; use JSON::PP;
binmode STDIN; binmode STDOUT;
my $json = JSON::PP->new->ascii->canonical;
sub tree { my ($part) = @_;
  my $type = lc(($part->content_type // 'text/plain') =~ s/;.*//sr);
  return { type => $type, parts => [map { tree($_) } $part->subparts] } if $type =~ m{^multipart/};
  my $cid = $part->header_raw('Content-ID'); $cid =~ s/[<>\s]//g if defined $cid;
  my $name = $part->filename;
  return { type => $type, name => $name, cid => $cid, data => unpack('H*', $part->body) }; }
$| = 1;
while (defined(my $length = <STDIN>)) {
  read(STDIN, my $raw, $length) == $length or die "cut";
  my @bad; local $SIG{__WARN__} = sub { push @bad, @_ };
  my $mail = Email::MIME->new($raw);
  my %head = map { $_ => scalar $mail->header_str($_) } qw(From To Cc Reply-To Subject X-Note);
  print $json->encode({ head => \%head, tree => tree($mail), bad => \@bad }), "\n";
}
