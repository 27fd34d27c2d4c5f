#!/usr/bin/env bash
# Riddles by post: ten commands, each with one job, joined by files, pipes, a socket and nothing else.
#
#   bash run.sh [FOLDER]     works in FOLDER (a temporary one, gone at the end, without it)
#
# A site is filled with riddles and served; its pages are fetched, joined with the list, and counted by a slow program
# that hangs once; a reader subscribes over a socket; everybody gets a letter with the list; the logs tell how it went.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

if [ $# -gt 0 ]; then work=$1 && mkdir -p "$work"; else work=$(mktemp -d); fi
servers=()
finish() {
  status=$?
  trap - EXIT
  for server in ${servers[@]+"${servers[@]}"}; do kill "$server" 2> /dev/null || true; done
  wait
  if [ $# -eq 0 ]; then rm -rf "$work"; fi
  exit $status
}
trap 'finish "$@"' EXIT
cp "$here"/* "$work"
cd "$work"
mkdir logs
export CB_RIDDLES_DATA=$PWD/site CB_MAIL_SPOOL=$PWD/spool.db

step() { # COMMAND WHAT: what begins; what has ended goes into the table
  if [ -n "${name-}" ]; then printf '%-14s %-68s %3d s\n' "$name" "$what" $((SECONDS - start)) >> did.txt; fi
  name=$1 what=$2 start=$SECONDS
  if [ -n "$name" ]; then printf '\n%s  %s\n' "$name" "$what"; fi
}
logged() { # LOG COMMAND...: a server, its words in a log
  local log=$1
  shift
  cb-logging run --to "logs/$log.log" -- "$@" &
  servers+=($!)
}
said() { # LOG WORDS: wait until a server has said them, and print its line
  for _ in {1..600}; do
    if cb-logging cat --grep "$2" "logs/$1.log" 2> /dev/null; then return; fi
    sleep 0.1
  done
  cat "logs/$1.log" >&2
  return 1
}

step cb-riddles "takes twelve riddles, all or none, and serves them"
cb-riddles migrate > logs/migrate.txt
cb-riddles import riddles.gift
logged site cb-riddles serve --port 0
cb-riddles export -o all.jsonl
site=$(said site 'Serving on' | grep -o 'http://[^ ]*/riddles/')

step cb-mail "catches on this machine what will be sent"
logged mail cb-mail serve --port 0 --no-web --maildir mailbox
mailbox=$(said mail 'mail on' | grep -o '127[.0-9]*:[0-9]*')

step cb-dict "changes two values of the settings; the comments stay"
cb-dict set -i --backup .before post.toml site.url "$site" mail.server "smtp://$mailbox"
diff post.toml.before post.toml || true

step cb-map "makes a list of addresses from the riddles that are published"
cb-riddles list --format json | cb-map apply -e "{'url': f'$site{x[\"id\"]}/', **x}" -o riddles.jsonl
head -n 2 riddles.jsonl

step cb-threading "fetches every page, each a whole file or none"
retries=$(cb-dict get post.toml site.retries)
cb-map pick url riddles.jsonl > urls.jsonl
cb-logging run --to logs/fetch.log -- \
  sh -c "cb-threading fetch urls.jsonl -o pages --retries $retries > fetched.jsonl"
cb-threading verify pages

step cb-subprocess "counts words, two at a time; what hangs is ended, and done again"
cb-dict get --lines -r fetched.jsonl path > paths.txt
STUCK=$(head -n 1 paths.txt) && export STUCK
count() {
  cb-subprocess batch -j 2 --joblog jobs.tsv "$@" -- \
    cb-decorators exec --success-only --store sqlite:counts.db -- ./count.sh pages {} < paths.txt
}
count --timeout 6 > counts.jsonl || echo "failed: $?"
STUCK="" count --resume-failed | tee -a counts.jsonl

step cb-decorators "knows what was counted: all again, without the slow program"
cb-subprocess batch -j 2 -k -- \
  cb-decorators exec --success-only --store sqlite:counts.db -- ./count.sh pages {} < paths.txt | tail -n 1
cb-decorators stats --store sqlite:counts.db

step cb-csv "writes a list for a spreadsheet, reads one that came from another"
cb-map attach --from counts.jsonl --key path --into count fetched.jsonl |
  cb-map attach --from riddles.jsonl --key url --into of |
  cb-map apply -e '{"riddle": x["of"]["riddle"], "words": x["count"]["words"], "address": x["url"]}' |
  cb-map attach --from all.jsonl --key riddle --into all |
  cb-map apply -e '{"category": x.pop("all")["category"], **x}' |
  cb-csv write riddles.csv --guard-formulas
cb-csv check riddles.csv
cb-csv detect readers.csv
cb-csv dicts readers.csv | cb-map rename Name=name,E-Mail=mail,Ort=city | cb-csv write addresses.csv

step cb-sockets "takes a new reader from another process, added before the answer"
logged desk cb-sockets serve --listen unix:desk.sock --exec "sh -c 'cb-csv append -q addresses.csv && echo welcome'"
said desk 'listening' > /dev/null
cb-sockets send unix:desk.sock '{"name": "Mia Hall", "mail": "mia@example.org", "city": "Leeds"}'

step cb-mail "writes to every reader, with the list"
server=$(cb-dict get -r post.toml mail.server)
cb-logging run --to logs/merge.log -- cb-mail merge letter.txt addresses.csv --results results.csv --server "$server"
cb-csv dicts results.csv | cb-map pick recipient,state,code

step cb-logging "counts what all of them have said"
cb-logging cat logs/*.log | cb-logging stats --by logger --by level

step "" ""
printf '\n'
cat did.txt
