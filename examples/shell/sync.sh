#!/usr/bin/env bash
# One sync of Clockify into Google Pub/Sub: source-clockify, piped into Airbyte's Pub/Sub
# destination. The next run continues where this one ended, so it can be called by cron.
#
#   examples/shell/sync.sh CONFIG DESTINATION FOLDER [STREAM ...]
#
#   CONFIG        the configuration of the source
#   DESTINATION   the configuration of the destination
#   FOLDER        keeps the state and the logs of the last run; made if it is missing
#   STREAM        what to read; every stream if none is named
#
#   SOURCE              in the environment: an installed command in place of the source's image,
#                       such as SOURCE=source-clockify
#   SOURCE_IMAGE        source-clockify/source-clockify:0.1.0 unless it is set
#   DESTINATION_IMAGE   airbyte/destination-pubsub unless it is set
#
# It needs bash, awk, jq 1.6 and flock (util-linux), and Docker for the images.
# integration_tests/test_examples.py runs it with a stand-in for Docker, against a Clockify sandbox
# and a Pub/Sub server on the same machine. The images, Clockify and Google Cloud were not used.
set -euo pipefail

say() { printf 'sync.sh: %s\n' "$*" >&2; }

fail() {
    say "$*"
    exit 1
}

# Prints the warnings and errors among the messages of a connector.
report() {
    jq -rR 'fromjson? | objects
        | if .type == "TRACE" and .trace.type == "ERROR" then "ERROR: \(.trace.error.message)"
          elif .type == "LOG" and (.log.level == "WARN" or .log.level == "ERROR")
          then "\(.log.level): \(.log.message | split("\n")[0])"
          else empty end' "$1" >&2 || say "$1 could not be read to its end."
}

if [ $# -lt 3 ]; then
    say "usage: sync.sh CONFIG DESTINATION FOLDER [STREAM ...]"
    exit 2
fi
config=$1 destination=$2 folder=$3
shift 3

for tool in awk jq flock; do
    command -v "$tool" > /dev/null || fail "$tool is needed, but it is not installed."
done
for file in "$config" "$destination"; do
    [ -f "$file" ] || fail "There is no file $file."
    jq -e 'type == "object"' "$file" > /dev/null 2>&1 || fail "$file is not a JSON object."
done

(umask 077 && mkdir -p -- "$folder")
folder=$(cd -- "$folder" && pwd -P)
# The connectors inherit the lock: should this script be killed, it lasts until they have ended.
exec 9> "$folder/lock"
flock --nonblock 9 || fail "Another sync that uses $folder is still running."

# What the connectors read. Nobody else may enter run/, but the images' own users must read run/data.
run=$folder/run data=$folder/run/data
trap 'rm -rf -- "$run"' EXIT
rm -rf -- "$run"
mkdir -m 700 -- "$run"
mkdir -m 755 -- "$data"
cp -- "$config" "$data/config.json"
cp -- "$destination" "$data/destination.json"

if [ -n "${SOURCE:-}" ]; then
    read -r -a source_command <<< "$SOURCE"
    source_data=$data
else
    source_command=(docker run --rm --volume "$data:/data:ro"
        "${SOURCE_IMAGE:-source-clockify/source-clockify:0.1.0}")
    source_data=/data
fi
destination_command=(docker run --rm --interactive --volume "$data:/data:ro"
    "${DESTINATION_IMAGE:-airbyte/destination-pubsub}")
for command in "${source_command[0]}" docker; do
    command -v "$command" > /dev/null || fail "$command is needed, but it is not installed."
done

# Which streams there are depends on the configuration, so a newer one is asked again.
discovered=$folder/discovered.json
if [ ! "$discovered" -nt "$config" ]; then
    chmod 644 -- "$data"/*
    "${source_command[@]}" discover --config "$source_data/config.json" |
        awk '! /^[{]"type": ?"CONTROL"/' > "$folder/source.log" || {
        code=$?
        report "$folder/source.log"
        fail "The source could not list its streams (exit code $code)." \
            "All that it printed is in $folder/source.log."
    }
    jq -cR 'fromjson? | objects | select(.type == "CATALOG") | .catalog' "$folder/source.log" \
        > "$run/discovered.json"
    [ -s "$run/discovered.json" ] || fail "The source listed no streams; see $folder/source.log."
    mv -- "$run/discovered.json" "$discovered"
fi

unknown=$(jq -r --args '$ARGS.positional - [.streams[].name] | join(", ")' "$@" < "$discovered")
[ -z "$unknown" ] || fail "The source has no stream $unknown."
jq -c --args '
    $ARGS.positional as $selected
    | {streams: [
        .streams[]
        | select($selected == [] or (.name | IN($selected[])))
        | {
            stream: .,
            sync_mode: (
                if .supported_sync_modes | index("incremental")
                then "incremental" else "full_refresh" end
            ),
            destination_sync_mode: "append",
            cursor_field: (.default_cursor_field // []),
            primary_key: (.source_defined_primary_key // [])
        }
    ]}' "$@" < "$discovered" > "$run/catalog.json"
cp -- "$run/catalog.json" "$data/catalog.json"
mv -- "$run/catalog.json" "$folder/catalog.json"

# The state of what is read incrementally now; the rest of it stays for another time.
state=$folder/state.json
[ -e "$state" ] || echo '[]' > "$run/former.json"
[ ! -e "$state" ] || cp -- "$state" "$run/former.json"
jq -c --slurpfile catalog "$data/catalog.json" '
    [$catalog[0].streams[] | select(.sync_mode == "incremental") | .stream.name] as $incremental
    | if type == "array" then . else error end
    | map(select(.stream.stream_descriptor.name | IN($incremental[])))
    ' "$run/former.json" > "$data/state.json" 2> /dev/null ||
    fail "$state is not the state of a sync. Move it away to begin with a new baseline."
state_argument=()
[ "$(cat -- "$data/state.json")" = '[]' ] || state_argument=(--state "$source_data/state.json")
chmod 644 -- "$data"/*

# awk writes everything on, and what is neither record nor state into the source's log as well. A
# CONTROL message holds the configuration, key and all.
: > "$folder/source.log"
set +e
"${source_command[@]}" read --config "$source_data/config.json" \
    --catalog "$source_data/catalog.json" ${state_argument[@]+"${state_argument[@]}"} |
    log=$folder/source.log count=$run/count awk '
        { print }
        /^[{]"type": ?"RECORD"/ { records++; next }
        /^[{]"type": ?"(STATE|CONTROL)"/ { next }
        { print > ENVIRON["log"] }
        END { print records + 0 > ENVIRON["count"] }' |
    "${destination_command[@]}" write --config /data/destination.json \
        --catalog /data/catalog.json > "$folder/destination.log"
codes=("${PIPESTATUS[@]}")
set -e
report "$folder/source.log"
report "$folder/destination.log"

if [ "${codes[2]}" -ne 0 ]; then
    fail "The destination failed with exit code ${codes[2]}. The state stays as it was, so the next" \
        "sync sends the same again. What the destination printed is in $folder/destination.log."
fi
[ "${codes[1]}" -eq 0 ] || fail "The messages of the source could not be passed on; is the disk full?" \
    "The state stays as it was, so the next sync sends the same again."

# The last state of each stream that the destination acknowledged, over the former ones.
jq -cnR --slurpfile former "$run/former.json" '
    reduce (
        $former[0][],
        (inputs | fromjson? | objects | select(.type == "STATE") | .state)
    ) as $state ({}; .[$state.stream.stream_descriptor | [.name, .namespace // ""] | tojson] = $state)
    | [.[]]' "$folder/destination.log" > "$run/state.json"
mv -- "$run/state.json" "$state"

if [ "${codes[0]}" -ne 0 ]; then
    fail "The source failed with exit code ${codes[0]}. What the destination acknowledged before is" \
        "kept, and the next sync continues from there. All messages are in $folder/source.log."
fi
say "$(cat -- "$run/count") records were sent."
if [ "$(cat -- "$run/former.json")" = '[]' ]; then
    say "This was a first sync, and what it sent is not sent again: make sure that it has arrived" \
        "(the stream sync_log tells), and move $state away if it has not."
fi
