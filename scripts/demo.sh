#!/usr/bin/env bash
# Shows the operator at work on this machine: a real Kubernetes API, a local AgentCore, the controller, the gateway and an agent, from
# nothing.
# It then stays up for experiments until Ctrl-C. With ONCE=1, or without a terminal, it deletes what it made, checks that nothing
# is left in AgentCore, and ends with status 0. Everything that it starts ends with it; its files are in .demo/.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh
# shellcheck source=scripts/demo/gateway.sh
. scripts/demo/gateway.sh
# shellcheck source=scripts/demo/roll.sh
. scripts/demo/roll.sh

once=${ONCE:-}
[[ -t 0 ]] || once=1
demo=$PWD/.demo
namespace=team-a
account=111122223333

# ---- what runs, and how long anything may take ---------------------------------------------------------------------

names=()
pids=()

# launch NAME COMMAND...: a program of the demo, its output in .demo/NAME.log.
launch() {
  local name=$1
  shift
  printf '%s$ %s%s\n' "$bold" "$(shown "$@")" "$plain"
  start "$demo/$name.log" "$@"
  names+=("$name")
  pids+=("$pid")
}

# give_up NAME MESSAGE: the end, with the last lines of that program's log.
give_up() {
  printf '\n--- the end of .demo/%s.log\n' "$1" >&2
  tail -n 30 "$demo/$1.log" >&2 || true
  fail "$2"
}

everything_runs() {
  local index
  for index in "${!names[@]}"; do
    kill -0 "${pids[index]}" 2>/dev/null || give_up "${names[index]}" "${names[index]} has ended by itself"
  done
}

# await WHAT SECONDS NAME COMMAND...: until the command succeeds; NAME is whose log explains a failure.
await() {
  local what=$1 seconds=$2 name=$3 deadline=$((SECONDS + $2))
  shift 3
  until "$@" >/dev/null 2>&1; do
    everything_runs
    ((SECONDS < deadline)) || give_up "$name" "not within $seconds s: $what"
    sleep 0.2
  done
  note "$what"
}

said() { grep -q "$2" "$demo/$1.log"; }

# of KIND/NAME JSONPATH: one value of an object.
of() { kubectl --namespace "$namespace" get "$1" --output "jsonpath=$2" --request-timeout 10s; }

# ready KIND/NAME: this generation of the object is live.
ready() {
  [[ $(of "$1" '{.metadata.generation}/{.status.conditions[?(@.type=="Ready")].observedGeneration} {.status.conditions[?(@.type=="Ready")].status}') =~ ^([0-9]+)/([0-9]+)\ True$ ]] &&
    [[ ${BASH_REMATCH[1]} == "${BASH_REMATCH[2]}" ]]
}

serves() { [[ $(of "$1" "$2") == "$3" ]]; }

# transitions KIND: a line for each change that a person would notice.
transitions() {
  local seen='' line name phase status reason message
  local columns='{.metadata.name}|{.status.phase}|{.status.conditions[?(@.type=="Ready")].status}'
  columns+='|{.status.conditions[?(@.type=="Ready")].reason}|{.status.conditions[?(@.type=="Ready")].message}{"\n"}'
  kubectl --namespace "$namespace" get "$1" --watch --output "jsonpath=$columns" 2>/dev/null |
    while IFS= read -r line; do
      [[ $line != "$seen" ]] || continue
      seen=$line
      IFS='|' read -r name phase status reason message <<<"$line"
      printf '%s%4d s  %-13s %-13s %-9s Ready=%-5s %s%s\n' "$dim" $((SECONDS - begun)) "$1" "$name" \
        "${phase:--}" "${status:--}" "${reason:+$reason: }$message" "$plain"
    done
}

# invoke PAYLOAD: one signed call of the agent, as a client of AWS makes it.
invoke() {
  run curl --silent --show-error --fail-with-body --max-time 60 --noproxy '*' \
    --aws-sigv4 aws:amz:us-east-1:bedrock-agentcore --user test:test \
    --header "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id: $session" \
    --header 'Content-Type: application/json' --data "$1" \
    "$AWS_ENDPOINT_URL/runtimes/$runtime_id/invocations?accountId=$account&qualifier=$endpoint_name" ||
    give_up sim "the agent did not answer"
  echo
}

# tree: the agents of the namespace with their endpoints and sessions, by the plugin of kubectl.
tree() { run kubectl agentcore status --namespace "$namespace" || give_up operator "kubectl agentcore shows no agents"; }

new_session() { session=$(python3 -c 'import uuid; print("demo-" + str(uuid.uuid4()))'); }

# nothing_left: what AgentCore still has, which must be nothing.
nothing_left() {
  curl --silent --fail --max-time 10 --noproxy '*' "$AWS_ENDPOINT_URL/_sim/state" | python3 -c '
import json, sys
state = json.load(sys.stdin)
left = state["runtimes"] + state["endpoints"] + [s for s in state["sessions"] if s["state"] == "RUNNING"]
print(json.dumps(left, indent=2))
sys.exit(1 if left else 0)'
}

# ---- before anything is started ------------------------------------------------------------------------------------

want cargo "install Rust from https://rustup.rs"
want cc "install a C compiler (Debian: apt-get install build-essential)"
want python3 "install Python 3"
want curl "install curl (Debian: apt-get install curl)"
all_there
curl --help all | grep -q -e --aws-sigv4 || fail "curl is older than 7.76 and cannot sign requests: install a newer one"

if [[ -f $demo/pid ]] && kill -0 "$(<"$demo/pid")" 2>/dev/null; then
  fail "a demo is running already, as process $(<"$demo/pid")"
fi

# Nothing of the caller's may reach what runs here: neither clusters, nor AWS accounts, nor settings of the operator.
no_proxy_for_loopback
for variable in KUBECONFIG "${!AWS_@}" "${!AGENTCORE_@}"; do unset "$variable"; done
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_EC2_METADATA_DISABLED=true

trap 'stop_all; rm -f "$demo/pid"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
mkdir -p "$demo"
find "$demo" -mindepth 1 -delete
echo $$ >"$demo/pid"

# ---- the demo ------------------------------------------------------------------------------------------------------

step "Build the programs, and beside them find or build Kubernetes (minutes the first time)"
target=${CARGO_TARGET_DIR:-$PWD/target}/debug
programs=(--bin agentcore-operator --bin agentcore-sim --bin agentcore-agent --bin kubectl-agentcore)
build_programs "$target"
PATH=$target:$("$target/testcluster" programs):$PATH

begun=$SECONDS
step "Start a Kubernetes API server and a local AgentCore"
launch cluster testcluster up --dir "$demo/cluster"
launch sim agentcore-sim serve --listen 127.0.0.1:0 --profile v2-small
await "the API server answers" 180 cluster said cluster '^export KUBECONFIG='
export KUBECONFIG=$demo/cluster/kubeconfig
await "the local AgentCore answers" 30 sim said sim 'http://'
AWS_ENDPOINT_URL=$(grep -o -m1 'http://[0-9.:]*' "$demo/sim.log")
export AWS_ENDPOINT_URL AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
export AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1

note "platform V2 in small, a second for a minute: each version starts the agent once before it is READY"

step "Push the agent's program to the local ECR"
run agentcore-sim push support:prod --program "$target/agentcore-agent" --endpoint "$AWS_ENDPOINT_URL"

step "Install the CRDs and start the operator"
run kubectl apply --server-side -f crds/
await "the CRDs are served" 60 cluster kubectl wait --for=condition=Established --timeout 1s -f crds/
launch operator agentcore-operator controller --cluster-id demo --region us-east-1 --lease-namespace default \
  --admin-listen 127.0.0.1:0
operator=$pid
await "the operator leads" 60 operator said operator '"leading"'

step "Apply a runtime and an endpoint; the lines that follow are their status as it changes"
run kubectl create namespace "$namespace"
beside transitions agentruntime
beside transitions agentendpoint
beside transitions agentsession
run kubectl apply -f examples/support.yaml -f examples/support-live.yaml
await "the runtime is live" 120 operator ready agentruntime/support
await "the endpoint is live" 120 operator ready agentendpoint/support-live
tree

step "Call the agent twice in one session: the same process answers"
runtime_id=$(of agentruntime/support '{.status.id}')
endpoint_name=$(of agentendpoint/support-live '{.status.name}')
new_session
invoke '{"prompt": "My order has not arrived."}'
invoke '{"prompt": "It was ordered on Monday."}'

step "Change the manifest: a new version, and the endpoint moves to it"
run kubectl --namespace "$namespace" patch agentruntime support --type merge \
  --patch '{"spec": {"env": [{"name": "LOG_LEVEL", "value": "debug"}]}}'
await "the runtime's new version is live" 120 operator ready agentruntime/support
version=$(of agentruntime/support '{.status.latestVersion}')
[[ $version == 2 ]] || give_up operator "expected version 2 and found '$version'"
await "the endpoint serves version $version" 120 operator serves agentendpoint/support-live '{.status.liveVersion}' "$version"
await "the endpoint is live" 120 operator ready agentendpoint/support-live
tree
new_session
invoke '{"action": "env", "name": "LOG_LEVEL"}'

call_through_gateway

roll_by_a_push

step "What happened, as Events"
run kubectl --namespace "$namespace" events

if [[ -z $once ]]; then
  step "It is yours now. In another terminal:"
  cat <<END

  export PATH=$target:$(dirname "$(command -v kubectl)"):\$PATH
  export KUBECONFIG=$KUBECONFIG
  export AWS_ENDPOINT_URL=$AWS_ENDPOINT_URL AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
  export AWS_REGION=$AWS_REGION AWS_DEFAULT_REGION=$AWS_REGION

  kubectl agentcore status --namespace $namespace --watch
  kubectl agentcore image explain support --namespace $namespace
  kubectl --namespace $namespace edit agentruntime support
  aws bedrock-agentcore-control list-agent-runtimes
  agentcore-sim push support:prod --program $target/agentcore-agent --env BUILD=3 --endpoint $AWS_ENDPOINT_URL
  curl $AWS_ENDPOINT_URL/_sim/state

  AGENT=$agent
  TOKEN=\$(kubectl --namespace $namespace create token caller --audience agentcore-gateway)
  curl --header "Authorization: Bearer \$TOKEN" --data '{"prompt": "Hello"}' \$AGENT/chat

Logs are in .demo/. Ctrl-C ends everything.
END
  trap 'exit 0' INT
  while everything_runs; do sleep 1; done
fi

step "Delete everything, and see that AgentCore has nothing left"
run kubectl delete -f examples/agentsession.yaml -f examples/gateway/caller.yaml -f examples/support-live.yaml -f examples/support.yaml --timeout 120s ||
  give_up operator "the deletion did not finish"
run kubectl delete namespace "$namespace" --timeout 120s || give_up cluster "the namespace did not go"
await "AgentCore has no runtime, no endpoint and no running session" 60 sim nothing_left

step "Stop the gateway and the operator, and wait for their own verdicts"
stop "$gateway" 60
((stopped == 0)) || give_up gateway "the gateway ended with status $stopped"
note "the gateway: status 0"
stop "$operator" 60
((stopped == 0)) || give_up operator "the operator ended with status $stopped"
said operator 'lease released' || give_up operator "the operator ended without giving its lease back"
note "the operator: status 0, and the lease is given back"

step "The demo is over: $((SECONDS - begun)) s without the build"
