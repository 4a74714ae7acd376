#!/usr/bin/env bash
# A kubeconfig for a team, on stdout: it may make jobs in one namespace, look at them and wait for them, and nothing else.
#   kubeconfig.sh --namespace imagerift --name shop [--days 30] > shop.kubeconfig
# For whoever may make service accounts and role bindings there, by the cluster of kubectl's present context. Once more, it
# gives another token; the accounts it made before go on. To take everything back, tokens too:
#   kubectl -n imagerift delete serviceaccount,rolebinding imagerift-team-shop
set -euo pipefail

usage() {
  sed -n '2,3s/^# *//p' "${BASH_SOURCE[0]}" >&2
  exit 2
}

namespace='' name='' days=30
while (($#)); do
  case $1 in
    --namespace) namespace=${2-} ;;
    --name) name=${2-} ;;
    --days) days=${2-} ;;
    *) usage ;;
  esac
  shift 2 || usage
done
[[ $namespace =~ ^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$ && $name =~ ^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$ ]] || usage
[[ $days =~ ^[1-9][0-9]{0,3}$ ]] || usage

# A name that no account of the installation has: its token is given away.
account=imagerift-team-$name
kubectl apply -f - > /dev/null <<MANIFEST
apiVersion: v1
kind: ServiceAccount
metadata: {name: $account, namespace: $namespace}
automountServiceAccountToken: false
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: $account, namespace: $namespace}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: imagerift-job-author}
subjects: [{kind: ServiceAccount, name: $account, namespace: $namespace}]
MANIFEST

# What `kubectl create token` does, which kubectl has since 1.24.
answer=$(kubectl create --raw "/api/v1/namespaces/$namespace/serviceaccounts/$account/token" -f - <<REQUEST
{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": $((days * 86400))}}
REQUEST
)
field() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" <<< "$answer"; }
token=$(field token)
until=$(field expirationTimestamp)
[[ -n $token ]] || { echo "the cluster gave no token: $answer" >&2; exit 1; }

cluster() { kubectl config view --raw --minify --flatten -o "jsonpath={.clusters[0].cluster.$1}"; }
server=$(cluster server)
authority=$(cluster certificate-authority-data)

umask 077
cat <<CONFIG
apiVersion: v1
kind: Config
current-context: $name
clusters:
  - name: imagerift
    cluster:
      server: $server
${authority:+      certificate-authority-data: $authority
}contexts:
  - name: $name
    context: {cluster: imagerift, namespace: $namespace, user: $account}
users:
  - name: $account
    user:
      token: $token
CONFIG
echo "$account may make jobs in $namespace until $until." >&2
