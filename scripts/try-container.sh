#!/usr/bin/env bash
# Tries the ways to run the program as the first process of a container, in a process namespace of its own: SIGTERM drains it, with all of
# shutdown_time where the program itself gets the signal, within the half second that npm leaves where npm is in between. Needs root.
#
#   npm run try:container
set -euo pipefail
package="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir -p node_modules/.bin config/db_entities modules
ln -s "$package" node_modules/dp3-cluster
ln -s ../dp3-cluster/dist/bin/dp3-cluster.js node_modules/.bin/dp3-cluster
echo '{ "name": "container", "type": "module", "scripts": { "start": "exec dp3-cluster start" } }' >package.json
cat >config/default.yml <<'END'
app: container
processing_core:
  worker_processes: 1
  enabled_modules: [slow]
  msg_broker: { kind: embedded }
  store: { kind: embedded, path: ../data }
END
cat >config/db_entities/host.yml <<'END'
entity: { id: host, id_data_type: string, name: Host, snapshot: false }
attribs:
  number: { name: Number, type: plain, data_type: int }
END
cat >modules/slow.js <<'END'
import { writeFileSync } from 'node:fs';
import { defineModule } from 'dp3-cluster';
function number() {
  writeFileSync('data/begun', '');
  return new Promise((done) => setTimeout(() => done([]), Number(process.env.HOOK_MS)));
}
export default defineModule({ onNewPlain: { host: { number } } });
END

# Waits until a command succeeds, at most a minute.
until_true() {
  local end=$((SECONDS + 60))
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || { echo "never true: $*"; cat log; exit 1; }
    sleep 0.05
  done
}
gone() { ! kill -0 "$1" 2>/dev/null; }

# Runs a command as the first process, with a task that takes so many milliseconds when SIGTERM comes; the program must end with exit code 0.
drains() {
  local hook_ms=$1
  shift
  echo "$* (a task of $hook_ms ms)"
  rm -rf data log
  HOOK_MS="$hook_ms" unshare --pid --fork --mount-proc "$@" >/dev/null 2>log &
  local outside=$!
  until_true grep -q 'worker ready' log
  echo '{"type":"host","id":"one","attr":"number","v":1}' | node_modules/.bin/dp3-cluster send - >/dev/null
  until_true test -e data/begun
  local first
  first="$(pgrep -P "$outside")"
  kill -TERM "$first"
  until_true gone "$first"
  wait "$outside" || true
  until_true grep -q '"message":"worker ended".*"code":0' log
  node_modules/.bin/dp3-cluster get host one --json | grep -q '"v":1' || { echo 'the task was not committed'; exit 1; }
}

drains 3000 node node_modules/dp3-cluster/dist/bin/dp3-cluster.js start
drains 3000 npx -c 'exec dp3-cluster start'
drains 3000 npm start
drains 0 npx dp3-cluster start
echo 'all of them drained'
