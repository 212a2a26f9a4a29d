#!/usr/bin/env bash
# Sets up .github/workflows/deploy.yml: environments with reviewers, an application that trusts GitHub's token, its
# roles, storage for Pulumi's state and key, and the variables of the workflow. It prints each command that changes
# something. You can run it again: it changes nothing that exists. It creates no secret. How to use it: docs/deploy.md.
set -euo pipefail

usage() {
  cat <<'TEXT'
infra/tools/github-deployer.sh --repo <owner>/<name> --reviewer <GitHub login> [options]
  --location <region>   for Pulumi's state and key (default: westeurope)
  --name <name>         of the application; its state is in the group <name>-state (default: jobyard-deployer)
  --no-graph            no rights in Entra ID: for stacks with authMode existing
  --dry-run             print the commands that would change something, and run none of them
Needs az (signed in as an owner of the subscription) and gh (signed in as an administrator of the repository).
TEXT
}

repo='' reviewer='' location=westeurope name=jobyard-deployer graph=yes dry_run=''
while [ $# -gt 0 ]; do
  case $1 in
    --repo | --reviewer | --location | --name)
      [ $# -ge 2 ] || { usage >&2; exit 2; }
      printf -v "${1#--}" %s "$2"
      shift
      ;;
    --no-graph) graph='' ;;
    --dry-run) dry_run=yes ;;
    --help) usage; exit ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done
if [ -z "$reviewer" ] || ! [[ $repo =~ ^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$ ]]; then usage >&2; exit 2; fi

say() { printf '%s\n' "$*"; }
fail() { printf '%s\n' "$*" >&2; exit 1; }

# Prints a command that changes something, ready to paste, and runs it.
change() {
  announce "$@"
  [ -n "$dry_run" ] || "$@" >/dev/null
}

# Like `change`, for a command that prints an id. In a dry run there is no id.
change_for_id() {
  announce "$@" >&2
  if [ -n "$dry_run" ]; then say '<new>'; else "$@"; fi
}

announce() {
  printf '+'
  printf ' %q' "$@"
  printf '\n'
}

# ---- Azure and GitHub: the account and the repository --------------------------------------------------------------

subscription=$(az account show --query id --output tsv)
tenant=$(az account show --query tenantId --output tsv)
me=$(az ad signed-in-user show --query id --output tsv)
# Names that are unique worldwide, and the same at each run.
unique=$(printf %s "$subscription/$repo" | git hash-object --stdin | cut -c1-16)
group=$name-state account=jobyard$unique vault=jobyard-$unique
say "Repository $repo, subscription $subscription, tenant $tenant"

# ---- GitHub: reviewers, before Azure trusts GitHub. Code needs a review before it gets an identity ------------------

# gh prints the body of a refusal too, so only a success counts.
answer_or() {
  local answer
  if answer=$("${@:2}" 2>/dev/null); then say "$answer"; else say "$1"; fi
}
reviewers_of() {
  answer_or 0 gh api "repos/$repo/environments/$1" --jq '[.protection_rules[] | select(.type == "required_reviewers")] | length'
}

# An environment that has reviewers keeps them.
ensure_environment() {
  [ "$(reviewers_of "$1")" = 0 ] || return 0
  local id
  id=$(gh api "users/$reviewer" --jq .id)
  change gh api "repos/$repo/environments/$1" --method PUT --raw-field 'reviewers[][type]=User' \
    --field "reviewers[][id]=$id" "${@:2}"
  [ -n "$dry_run" ] || [ "$(reviewers_of "$1")" != 0 ] ||
    fail "The environment $1 has no required reviewers: private repositories need a plan of GitHub that has them."
}

say 'Environments:'
ensure_environment preview
ensure_environment prod --field 'deployment_branch_policy[protected_branches]=false' \
  --field 'deployment_branch_policy[custom_branch_policies]=true'
branches=$(answer_or '' gh api "repos/$repo/environments/prod/deployment-branch-policies" --jq '.branch_policies[].name')
if ! grep -qx main <<<"$branches"; then
  change gh api "repos/$repo/environments/prod/deployment-branch-policies" --method POST --raw-field name=main
fi

# ---- Azure: the application, without a password ---------------------------------------------------------------------

say 'Application:'
client=$(az ad app list --filter "displayName eq '$name'" --query '[0].appId' --output tsv)
[ -n "$client" ] ||
  client=$(change_for_id az ad app create --display-name "$name" --sign-in-audience AzureADMyOrg --query appId --output tsv)
principal=''
[ "$client" = '<new>' ] || principal=$(az ad sp list --filter "appId eq '$client'" --query '[0].id' --output tsv)
[ -n "$principal" ] || principal=$(change_for_id az ad sp create --id "$client" --query id --output tsv)

subject_of() {
  az ad app federated-credential list --id "$client" --query "[?name=='$1'].subject" --output tsv
}
# One for each environment of the workflow, and none for pull requests: a run without reviewers gets no token.
for environment in preview prod; do
  wanted=repo:$repo:environment:$environment
  found=''
  [ "$client" = '<new>' ] || found=$(subject_of "$environment")
  [ "$found" != "$wanted" ] || continue
  parameters=$(printf '{"name":"%s","issuer":"https://token.actions.githubusercontent.com","subject":"%s","audiences":["api://AzureADTokenExchange"]}' \
    "$environment" "$wanted")
  if [ -z "$found" ]; then
    change az ad app federated-credential create --id "$client" --parameters "$parameters"
  else
    change az ad app federated-credential update --id "$client" --federated-credential-id "$environment" --parameters "$parameters"
  fi
done

# ---- Azure: Pulumi's state and the key of its secrets ---------------------------------------------------------------

say 'State:'
resource=/subscriptions/$subscription/resourceGroups/$group/providers
there='' is_new=''
if [ "$(az group exists --name "$group")" = true ]; then
  there=$(az resource list --resource-group "$group" --query '[].name' --output tsv)
else
  is_new=yes
  change az group create --name "$group" --location "$location"
fi
if ! grep -qx "$account" <<<"$there"; then
  change az storage account create --name "$account" --resource-group "$group" --location "$location" --sku Standard_ZRS \
    --allow-blob-public-access false --allow-shared-key-access false --min-tls-version TLS1_2
fi
# Both commands can be repeated. The versions of the state make it possible to undo an interrupted run.
change az storage account blob-service-properties update --account-name "$account" --resource-group "$group" \
  --enable-versioning true --enable-delete-retention true --delete-retention-days 30
change az storage container-rm create --name state --storage-account "$account" --resource-group "$group"
if ! grep -qx "$vault" <<<"$there"; then
  change az keyvault create --name "$vault" --resource-group "$group" --location "$location" \
    --enable-rbac-authorization true --enable-purge-protection true
fi
# Through Resource Manager, which needs no role in the vault. It creates a key once, and keeps an existing one.
change az rest --method put --url "https://management.azure.com$resource/Microsoft.KeyVault/vaults/$vault/keys/pulumi?api-version=2023-07-01" \
  --body '{"properties":{"kty":"RSA","keySize":3072}}'

# ---- Azure: roles ----------------------------------------------------------------------------------------------------

say 'Roles:'
# ensure_role <role> <scope> <object id> <ServicePrincipal|User>
ensure_role() {
  local found=''
  # In a dry run, a new principal cannot be queried.
  [ "$3" = '<new>' ] || [ "$dry_run$is_new" = yesyes ] ||
    found=$(az role assignment list --role "$1" --scope "$2" --assignee "$3" --query '[].id' --output tsv)
  [ -n "$found" ] || change az role assignment create --role "$1" --scope "$2" \
    --assignee-object-id "$3" --assignee-principal-type "$4"
}
for role in Contributor 'User Access Administrator'; do
  ensure_role "$role" "/subscriptions/$subscription" "$principal" ServicePrincipal
done
for who in "$principal ServicePrincipal" "$me User"; do
  ensure_role 'Storage Blob Data Contributor' "$resource/Microsoft.Storage/storageAccounts/$account" "${who% *}" "${who#* }"
  ensure_role 'Key Vault Crypto User' "$resource/Microsoft.KeyVault/vaults/$vault" "${who% *}" "${who#* }"
done
for provider in Compute Insights KeyVault ManagedIdentity Network OperationalInsights ServiceBus Storage Web; do
  state=$(az provider show --namespace "Microsoft.$provider" --query registrationState --output tsv)
  [ "$state" = Registered ] || change az provider register --namespace "Microsoft.$provider"
done

# Application.ReadWrite.OwnedBy and AppRoleAssignment.ReadWrite.All of Microsoft Graph, as permissions of an application.
if [ -n "$graph" ]; then
  graph_principal=$(az ad sp show --id 00000003-0000-0000-c000-000000000000 --query id --output tsv)
  assignments=https://graph.microsoft.com/v1.0/servicePrincipals/$principal/appRoleAssignments
  granted=''
  [ "$principal" = '<new>' ] || granted=$(az rest --method get --url "$assignments" --query 'value[].appRoleId' --output tsv)
  for permission in 18a4783c-866b-4cc7-a460-3d5e5662c884 06b708a9-e830-4db3-a914-8e69da51d44f; do
    grep -qx "$permission" <<<"$granted" || change az rest --method post --url "$assignments" --body \
      "$(printf '{"principalId":"%s","resourceId":"%s","appRoleId":"%s"}' "$principal" "$graph_principal" "$permission")"
  done
fi

# ---- GitHub: the variables of deploy.yml -----------------------------------------------------------------------------

say 'Variables:'
ensure_variable() {
  local found
  found=$(answer_or '' gh variable get "$1" --repo "$repo")
  [ "$found" = "$2" ] || change gh variable set "$1" --repo "$repo" --body "$2"
}
ensure_variable AZURE_CLIENT_ID "$client"
ensure_variable AZURE_TENANT_ID "$tenant"
ensure_variable AZURE_SUBSCRIPTION_ID "$subscription"
ensure_variable PULUMI_BACKEND_URL "azblob://state?storage_account=$account"
ensure_variable PULUMI_SECRETS_PROVIDER "azurekeyvault://$vault.vault.azure.net/keys/pulumi"

# ---- Check the result in GitHub and Azure ----------------------------------------------------------------------------

if [ -z "$dry_run" ]; then
  for environment in preview prod; do
    [ "$(subject_of "$environment")" = "repo:$repo:environment:$environment" ] ||
      fail "Azure does not trust the environment $environment of $repo yet. Run this again."
  done
  [ "$(gh variable get AZURE_CLIENT_ID --repo "$repo")" = "$client" ] || fail 'GitHub does not have the variables yet. Run this again.'
  say "Done. Next: pulumi login 'azblob://state?storage_account=$account', and docs/deploy.md"
fi
