# The part of the demo in which a pushed image rolls out by itself, and sessions of the old version end; read by scripts/demo.sh.
# shellcheck shell=bash disable=SC2154 # it uses what demo.sh and gateway.sh set

# declared_runs VERSION: the declared session is live, and was born on that version.
declared_runs() { ready agentsession/slack-bridge && serves agentsession/slack-bridge '{.status.version}' "$1"; }

# sessions_are MEMBER NUMBER: what the runtime's status says of the sessions behind DEFAULT.
sessions_are() { serves agentruntime/support "{.status.sessions.$1}" "$2"; }

# turn BODY: one turn of a conversation, the headers that speak of its session, and the answer.
turn() {
  asks chat "$1" --dump-header "$demo/headers"
  sends "${request[@]}" --fail-with-body --output "$demo/chat.json"
  grep -i -E '^x-agentcore-(session-started|upstream)' "$demo/headers" | tr -d '\r'
  cat "$demo/chat.json"
  echo
}

# upstream: AgentCore's id of the session that answered the last turn.
upstream() { sed -n 's/^x-agentcore-upstream-session-id: *//Ip' "$demo/headers" | tr -d '\r'; }

roll_by_a_push() {
  local version before conversation session_before
  step "Follow the tag: from now on a push is enough. Sessions of an old version go once they have been idle for 5 s"
  run kubectl --namespace "$namespace" patch agentruntime support --type merge --patch \
    '{"spec": {"artifact": {"container": {"follow": {"tag": "prod", "interval": "30s", "settle": "0s"}}}, "sessions": {"drain": {"idleAfter": "5s"}}}}'
  await "the runtime is live" 120 operator ready agentruntime/support
  version=$(of agentruntime/support '{.status.readyVersion}')

  step "Declare a session that is kept alive, and begin a conversation"
  run kubectl apply -f examples/agentsession.yaml
  await "the declared session answers, on version $version" 60 operator declared_runs "$version"
  run kubectl --namespace "$namespace" get agentsessions
  session_before=$(of agentsession/slack-bridge '{.status.sessionId}')
  token_of caller
  turn '{"prompt": "My parcel is on its way?"}'
  conversation=$(said_in chat.json sessionId)
  before=$(upstream)

  step "Push another build behind the same tag: nothing is edited, nothing is applied"
  run agentcore-sim push support:prod --program "$target/agentcore-agent" --env BUILD=2 --endpoint "$AWS_ENDPOINT_URL"
  await "the push is version $((version + 1))" 120 operator serves agentruntime/support '{.status.latestVersion}' $((version + 1))
  version=$((version + 1))
  await "version $version is live" 120 operator serves agentruntime/support '{.status.defaultEndpoint.liveVersion}' "$version"
  run kubectl --namespace "$namespace" get agentruntime support --output 'jsonpath={.status.causes[0]}{"\n"}'

  step "The declared session is begun anew, and the conversation's session, which is idle, is stopped"
  await "the declared session answers, on version $version" 120 operator declared_runs "$version"
  [[ $(of agentsession/slack-bridge '{.status.sessionId}') != "$session_before" ]] ||
    give_up operator "the declared session is still the old one"
  await "no session of an old version is left" 120 gateway sessions_are stale 0
  run kubectl --namespace "$namespace" get agentruntime support --output 'jsonpath={.status.sessions}{"\n"}'
  tree

  step "The conversation goes on under its id, in a session of the new version, and the caller is told"
  turn "{\"prompt\": \"And now?\", \"sessionId\": \"$conversation\"}"
  [[ $(said_in chat.json sessionId) == "$conversation" ]] || give_up gateway "the conversation has another id"
  [[ $(upstream) != "$before" ]] || give_up gateway "the conversation is still in the session of the old version"
  grep -q -i '^x-agentcore-session-started: true' "$demo/headers" || give_up gateway "the caller was not told"
}
