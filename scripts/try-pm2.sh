#!/usr/bin/env bash
# Tries ecosystem.config.js with the real pm2 while data arrive: start, reload (ours and pm2's), stop, start, kill -9 of the program, kill of
# pm2. No data-point may be lost or doubled, what was killed must come back, what was stopped must not, and no process may be left. pm2 is no dependency: npx gets it into its cache. The data lie in a folder of their own.
#
#   npm run try:pm2
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

folder="$(mktemp -d)"
export PM2_HOME="$folder/pm2" DP3_PROCESSING_CORE_STORE_PATH="$folder/data"
networks=100 hosts=200

step() { printf '%s\n' "$*"; "$@"; }
pm2() { npx --yes pm2@7 "$@" >>"$folder/pm2.log" 2>&1; }
dp3-cluster() { node dist/bin/dp3-cluster.js "$@"; }

# Waits until a command succeeds, at most two minutes.
until_true() {
  local end=$((SECONDS + 120))
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || { echo "never true: $*"; return 1; }
    sleep 0.2
  done
}

# What was started from here knows the folder of pm2; what looks for it has ended when it is asked for.
processes() {
  local pid
  for pid in $(grep -lzs "^PM2_HOME=$PM2_HOME\$" /proc/[0-9]*/environ | cut -d/ -f3); do
    if [[ -d /proc/$pid ]]; then echo "$pid"; fi
  done
}
nothing_runs() { [[ -z "$(processes)" ]]; }

program() { dp3-cluster status --json | grep -o '"pid":[0-9]*' | head -1 | grep -o '[0-9]*'; }
runs_anew() { [[ "$(program)" =~ ^[0-9]+$ && "$(program)" != "$1" ]]; }

points() {
  seq 0 $((networks * hosts - 1)) | awk -v hosts="$hosts" '{
    printf "{\"type\":\"ip\",\"id\":\"10.0.%d.%d\",\"attr\":\"attacked_ports\",\"v\":[22],\"t1\":\"2026-11-24T12:00:00Z\"}\n", $1 / hosts, $1 % hosts
  }'
}
all_is_there() { dp3-cluster status --json | grep -q "\"records\":$((networks * hosts + networks)),"; }
count_of() { dp3-cluster get network "10.0.$1.0/24" --json | grep -o '"hosts":{"count":[0-9]*' | grep -o '[0-9]*$'; }

finish() {
  local code=$?
  pm2 kill || true
  ((code == 0)) || tail -50 "$folder/pm2.log"
  rm -rf "$folder"
}
trap finish EXIT

step pm2 start ecosystem.config.js
until_true dp3-cluster status
points | dp3-cluster send - --rate 2000 >"$folder/sent" &
sender=$!
step dp3-cluster reload
step pm2 reload ecosystem.config.js
until_true dp3-cluster status
step pm2 stop ecosystem.config.js
if dp3-cluster status >/dev/null 2>&1; then echo 'it runs on after pm2 stop'; exit 1; fi
step pm2 start ecosystem.config.js
until_true dp3-cluster status
killed="$(program)"
step kill -9 "$killed"
until_true runs_anew "$killed"
wait "$sender"
cat "$folder/sent"

until_true all_is_there
for ((network = 0; network < networks; network += 10)); do
  count="$(count_of "$network")"
  [[ "$count" == "$hosts" ]] || { echo "10.0.$network.0/24 has $count hosts, not $hosts"; exit 1; }
done

step dp3-cluster stop
# pm2 starts again what it does after at most 1.2 s here: half a second, and half as much again each time.
sleep 5
if dp3-cluster status >/dev/null 2>&1; then echo 'pm2 started again what dp3-cluster stop had ended'; exit 1; fi
step pm2 kill
until_true nothing_runs
echo "$((networks * hosts)) addresses, each counted once; no process is left"
