#!/usr/bin/env bash
# One sync of Clockify into a destination: source-clockify, piped into an Airbyte destination. The
# next run continues from the last state that the destination acknowledged, so cron can call it.
#
#   examples/shell/sync.sh CONFIG FOLDER [STREAM ...] -- COMMAND [ARGUMENT ...]
#   examples/shell/sync.sh CONFIG DESTINATION FOLDER [STREAM ...]
#
#   CONFIG        the configuration of the source
#   FOLDER        keeps the state, the catalog and the logs of the last run; made if it is missing
#   STREAM        what to read; every stream if none is named
#   COMMAND       a destination: it reads Airbyte messages and prints each STATE that it has stored.
#                 FOLDER/catalog.json, which most of them need, is written before it starts
#   DESTINATION   in place of a command: the configuration of Airbyte's Pub/Sub destination
#
#   SOURCE              in the environment: an installed command in place of the source's image,
#                       such as SOURCE=source-clockify
#   SOURCE_IMAGE        ghcr.io/owner_not_set/source-clockify:0.2.0 unless it is set
#   DESTINATION_IMAGE   airbyte/destination-pubsub unless it is set
#
# SIGTERM, SIGINT and SIGHUP end the source; what it read is stored, and the state kept.
#
# It needs bash, awk and flock (util-linux), and Docker for the images.
# integration_tests/test_examples.py runs it with a stand-in for Docker, against a Clockify sandbox
# and a Pub/Sub server on the same machine. The images, Clockify and Google Cloud were not used.
set -euo pipefail

say() { printf 'sync.sh: %s\n' "$*" >&2; }

fail() {
    say "$*"
    exit 1
}

usage() {
    say "usage: sync.sh CONFIG FOLDER [STREAM ...] -- COMMAND [ARGUMENT ...]"
    say "   or: sync.sh CONFIG DESTINATION FOLDER [STREAM ...]"
    exit 2
}

cannot_write() { fail "$1 cannot be written; is the disk full? The state stays as it was."; }

# Prints the warnings and errors among the messages of a connector, each on a line.
report() {
    awk '
        # The first text of this name, without its escapes.
        function text(line, name,    rest, found, character) {
            if (!match(line, "\"" name "\": ?\"")) return ""
            rest = substr(line, RSTART + RLENGTH)
            while (rest != "" && (character = substr(rest, 1, 1)) != "\"") {
                if (character == "\\") {
                    character = substr(rest, 2, 1)
                    rest = substr(rest, 2)
                    if (character == "n") break
                    if (character == "t") character = " "
                    if (character == "u") character = "\\u"
                }
                found = found character
                rest = substr(rest, 2)
            }
            return found
        }
        /^[{]"type": ?"LOG"/ && /"level": ?"(WARN|ERROR|FATAL)"/ {
            print text($0, "level") ": " text($0, "message")
        }
        /^[{]"type": ?"TRACE"/ && /"type": ?"ERROR"/ { print "ERROR: " text($0, "message") }
        ' "$1" >&2 || say "$1 could not be read to its end."
}

[ $# -gt 0 ] || usage
config=$1
shift
streams=() destination='' destination_command=()
words=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    words+=("$1")
    shift
done
if [ $# -gt 0 ]; then
    shift
    if [ $# -eq 0 ] || [ ${#words[@]} -eq 0 ]; then usage; fi
    folder=${words[0]} streams=("${words[@]:1}") destination_command=("$@")
else
    [ ${#words[@]} -gt 1 ] || usage
    destination=${words[0]} folder=${words[1]} streams=("${words[@]:2}")
fi

for tool in awk flock mkfifo; do
    command -v "$tool" > /dev/null || fail "$tool is needed, but it is not installed."
done
for file in "$config" ${destination:+"$destination"}; do
    [ -f "$file" ] || fail "There is no file $file."
    [ -r "$file" ] || fail "$file cannot be read."
done

(umask 077 && mkdir -p -- "$folder") || fail "The folder $folder cannot be made."
folder=$(cd -- "$folder" && pwd -P)
# The connectors inherit the lock: should this script be killed, it lasts until they have ended.
exec 9> "$folder/lock" || cannot_write "$folder/lock"
flock --nonblock 9 || fail "Another sync that uses $folder is still running."

# What the connectors read. Nobody else may enter run/, but the images' own users must read run/data.
run=$folder/run data=$folder/run/data
trap 'rm -rf -- "$run"' EXIT
rm -rf -- "$run"
if ! { mkdir -m 700 -- "$run" && mkdir -m 755 -- "$data"; }; then cannot_write "$folder"; fi
cp -- "$config" "$data/config.json" || cannot_write "$data/config.json"
state=$folder/state.json catalog=$folder/catalog.json
[ -e "$state" ] || echo '[]' > "$data/state.json" || cannot_write "$data/state.json"
[ ! -e "$state" ] || cp -- "$state" "$data/state.json" || cannot_write "$data/state.json"
if [ -n "$destination" ]; then
    cp -- "$destination" "$data/destination.json" || cannot_write "$data/destination.json"
    destination_command=(docker run --rm --interactive --volume "$data:/data:ro"
        "${DESTINATION_IMAGE:-airbyte/destination-pubsub}"
        write --config /data/destination.json --catalog /data/catalog.json)
fi
chmod 644 -- "$data"/*

if [ -n "${SOURCE:-}" ]; then
    read -r -a source_command <<< "$SOURCE"
    source_data=$data
else
    source_command=(docker run --rm --volume "$data:/data:ro"
        "${SOURCE_IMAGE:-ghcr.io/owner_not_set/source-clockify:0.2.0}")
    source_data=/data
fi
for command in "${source_command[0]}" "${destination_command[0]}"; do
    command -v "$command" > /dev/null || fail "$command is needed, but it is not installed."
done

# Puts a file in the place of another one, which is the old or the new one at any moment.
replace() {
    sync -- "$1" 2> /dev/null || true
    mv -f -- "$1" "$2" || cannot_write "$2"
}

# The source runs in the background, where it ignores the Ctrl-C of a terminal: signals reach it from
# here only, and the script has the lock until the source has ended.
signalled='' source_pid='' reads=''
pass_on() {
    signalled=$1
    if [ -n "$reads" ]; then
        say "Ended by SIG$1. What was read is stored before the end."
    else
        say "Ended by SIG$1 before anything was read."
    fi
    [ -z "$source_pid" ] || kill -TERM "$source_pid" 2> /dev/null || true
}
trap 'pass_on TERM' TERM
trap 'pass_on INT' INT
trap 'pass_on HUP' HUP

# Waits for a process through any signal, and leaves its exit code in `code`.
wait_for() {
    code=0
    while wait "$1" || code=$?; kill -0 "$1" 2> /dev/null; do code=0; done
}

# Waits for the source, and leaves its exit code in `code`.
wait_for_source() {
    source_pid=$1
    # A signal may have come before its process was known.
    [ -z "$signalled" ] || kill -TERM "$source_pid" 2> /dev/null || true
    wait_for "$source_pid"
    source_pid=''
}

end_if_signalled() { [ -z "$signalled" ] || exit $((128 + $(kill -l "$signalled"))); }

end_if_signalled
"${source_command[@]}" state /dev/null --previous "$source_data/state.json" \
    > "$run/former.json" 2> /dev/null &
wait_for_source $!
end_if_signalled
[ "$code" -eq 0 ] ||
    fail "$state is not the state of a sync. Move it away to begin with a new baseline."
"${source_command[@]}" catalog --config "$source_data/config.json" \
    ${streams[@]+"${streams[@]}"} > "$run/catalog.json" &
wait_for_source $!
end_if_signalled
[ "$code" -eq 0 ] || fail "The source could not make the catalog (exit code $code)."
cp -- "$run/catalog.json" "$data/catalog.json" || cannot_write "$data/catalog.json"
chmod 644 -- "$data/catalog.json" "$run/catalog.json"
replace "$run/catalog.json" "$catalog"
state_argument=()
[ "$(cat -- "$run/former.json")" = '[]' ] || state_argument=(--state "$source_data/state.json")

: > "$folder/source.log" || cannot_write "$folder/source.log"
: > "$folder/destination.log" || cannot_write "$folder/destination.log"
mkfifo -- "$run/read" "$run/counted" || cannot_write "$run"

# Each part has a process of its own, so that a signal reaches the source only: the others end with
# their input.
end_if_signalled
reads=yes
"${destination_command[@]}" < "$run/counted" > "$folder/destination.log" &
destination_pid=$!
# An installed source shows its progress on a terminal by itself; a line in between breaks its table.
every=10000
if [ -n "${SOURCE:-}" ] && [ -t 2 ]; then every=0; fi
# awk writes everything on, and what is neither record nor state into the source's log as well. A
# CONTROL message holds the configuration, key and all.
log=$folder/source.log count=$run/count every=$every awk '
    BEGIN { every = ENVIRON["every"] + 0 }
    { print }
    /^[{]"type": ?"RECORD"/ {
        records++
        if (every && records % every == 0)
            print "sync.sh: " records " records so far." > "/dev/stderr"
        next
    }
    { fflush() }
    /^[{]"type": ?"STATE"/ { states++; next }
    /^[{]"type": ?"CONTROL"/ { next }
    { print > ENVIRON["log"] }
    END { print records + 0, states + 0 > ENVIRON["count"] }' < "$run/read" > "$run/counted" &
counter_pid=$!
"${source_command[@]}" read --config "$source_data/config.json" \
    --catalog "$source_data/catalog.json" ${state_argument[@]+"${state_argument[@]}"} \
    > "$run/read" &
wait_for_source $!
source_code=$code
# A source that was ended before it opened the pipe has left its reader waiting.
: <> "$run/read"
wait_for "$counter_pid"
counter_code=$code
wait_for "$destination_pid"
destination_code=$code
report "$folder/source.log"
report "$folder/destination.log"

if [ "$destination_code" -ne 0 ]; then
    fail "The destination failed with exit code $destination_code. The state stays as it was, so the" \
        "next sync sends the same again. What the destination printed is in $folder/destination.log."
fi
# SIGPIPE ended what passes the messages on.
[ "$counter_code" -ne 141 ] || fail "The destination ended before it had read everything (exit" \
    "code 0). The state stays as it was, so the next sync sends the same again."
[ "$counter_code" -eq 0 ] || fail "The messages of the source could not be passed on; is the disk" \
    "full? If not, the destination ended before it had read everything. The state stays as it was, so" \
    "the next sync sends the same again."

# The last state of each stream that the destination acknowledged, over the former ones.
cp -- "$folder/destination.log" "$data/destination.log" || cannot_write "$data/destination.log"
chmod 644 -- "$data/destination.log"
"${source_command[@]}" state "$source_data/destination.log" --previous "$source_data/state.json" \
    > "$run/state.json" 2> "$run/state.error" &
wait_for $!
[ "$code" -eq 0 ] || {
    cat -- "$run/state.error" >&2
    cannot_write "$state"
}
replace "$run/state.json" "$state"

read -r records states < "$run/count"
acknowledged=$(grep -c '^{"type": *"STATE"' "$folder/destination.log" || true)
say "$records records were sent, and $states states; the destination acknowledged $acknowledged" \
    "states."
if [ -n "$signalled" ]; then
    say "What the destination acknowledged is kept, and the next sync continues from there."
    exit $((128 + $(kill -l "$signalled")))
fi
if [ "$source_code" -ne 0 ]; then
    fail "The source failed with exit code $source_code. What the destination acknowledged before is" \
        "kept, and the next sync continues from there. All messages are in $folder/source.log."
fi
if [ "$(cat -- "$run/former.json")" = '[]' ]; then
    say "This was a first sync, and what it sent is not sent again: make sure that it has arrived" \
        "(the stream sync_log tells), and move $state away if it has not."
fi
