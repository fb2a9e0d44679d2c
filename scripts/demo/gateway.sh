# The part of the demo in which a program of the cluster calls the agent through the gateway; read by scripts/demo.sh.
# shellcheck shell=bash disable=SC2034,SC2154 # it sets for demo.sh and uses what that sets

# address NAME MESSAGE: the address in the line of that program's log.
address() { sed -n "s/.*\"message\":\"$2\".*\"address\":\"\([^\"]*\)\".*/\1/p" "$demo/$1.log" | head -n 1; }

# start_gateway: without TLS, on a free port of this machine; sets `gateway`, its process, and `agent`, where `support` is called.
start_gateway() {
  head -c 32 /dev/urandom >"$demo/session-key"
  launch gateway agentcore-operator gateway --plain-http --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 \
    --session-key-file "$demo/session-key"
  gateway=$pid
  await "the gateway listens" 30 gateway said gateway '"gateway listens"'
  await "the gateway knows the agents" 60 gateway \
    curl --silent --fail --max-time 5 --noproxy '*' "http://$(address gateway 'admin endpoint listens')/readyz"
  agent=http://$(address gateway 'gateway listens')/v1/namespaces/$namespace/agentruntimes/support
}

# token_of ACCOUNT: sets `token`, which is good for the gateway and for nothing else.
token_of() {
  local command=(kubectl --namespace "$namespace" create token "$1" --audience agentcore-gateway)
  # shellcheck disable=SC2016 # shown as it is typed
  printf '%s$ token=$(%s)%s\n' "$bold" "$(shown "${command[@]}")" "$plain"
  token=$("${command[@]}") || give_up cluster "there is no token for $1"
}

# asks WHAT BODY CURL-ARGUMENTS...: shows a request with the token by its name; sets `request`, the command.
asks() {
  local url=$agent/$1 body=$2
  shift 2
  # shellcheck disable=SC2016 # shown as it is typed
  printf '%s$ curl --header "Authorization: Bearer $token" %s%s\n' "$bold" "$(shown "$@" --data "$body" "$url")" "$plain"
  request=(curl --silent --show-error --max-time 60 --noproxy '*' --header "Authorization: Bearer $token" "$@"
    --data "$body" "$url")
}

# sends COMMAND...: runs what sends the request.
sends() { attached "$@" || give_up gateway "the gateway did not answer as it should"; }

# streamed: sends the request, and shows each line of the answer with the second in which it came.
streamed() {
  local began=$SECONDS line
  "${request[@]}" | while IFS= read -r line; do
    [[ -z $line ]] || printf '%s%4d s%s  %s\n' "$dim" $((SECONDS - began)) "$plain" "$line"
  done
}

# said_in FILE MEMBER: a member of the JSON object in the file.
said_in() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$demo/$1" "$2"; }

# chats BODY: one turn as prompt and response, kept in .demo/chat.json.
chats() {
  asks chat "$1"
  sends "${request[@]}" --fail-with-body --output "$demo/chat.json"
  cat "$demo/chat.json"
  echo
}

call_through_gateway() {
  step "Start the gateway, and let one ServiceAccount call the agent"
  start_gateway
  run kubectl apply -f examples/gateway/caller.yaml
  run kubectl --namespace "$namespace" create serviceaccount stranger
  token_of caller

  step "Call the agent by its Kubernetes name: no AWS credentials, no ARN"
  asks invocations '{"prompt": "My order has not arrived."}' --header 'Content-Type: application/json'
  sends "${request[@]}" --fail-with-body
  echo

  step "The same as a stream: each event comes when the agent has made it"
  asks invocations '{"prompt": "It left Hamburg on Monday and is on its way to you by train.", "delayMs": 1000}' \
    --header 'Content-Type: application/json' --header 'Accept: text/event-stream' --no-buffer
  sends streamed

  step "Chat: a prompt in, a response out, and the second turn in the first one's session"
  chats '{"prompt": "When will it be here?"}'
  local conversation
  conversation=$(said_in chat.json sessionId)
  chats "{\"prompt\": \"And where is it now?\", \"sessionId\": \"$conversation\"}"
  [[ $(said_in chat.json sessionId) == "$conversation" ]] || give_up gateway "the conversation has lost its session"

  step "Who has no right to call the agent is told so"
  token_of stranger
  asks invocations '{"prompt": "Let me in."}' --header 'Content-Type: application/json'
  sends "${request[@]}" --output "$demo/refusal.json" --write-out '%{http_code} %{content_type}' >"$demo/refusal"
  printf '%s\n%s\n' "$(<"$demo/refusal")" "$(<"$demo/refusal.json")"
  [[ $(<"$demo/refusal") == "403 application/problem+json" ]] || give_up gateway "the stranger was not refused"
}
