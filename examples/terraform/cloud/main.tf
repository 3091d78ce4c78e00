# Clockify to Google Pub/Sub on Airbyte Cloud, which runs no image of one's own: the manifest alone as
# a declarative source, the Pub/Sub destination, and a connection.
#
# The manifest alone has no change tracking, so the topic holds no deletions, no `_ab_cdc_*` columns
# and no versions:
#   - full_refresh_append: every sync sends the whole stream again;
#   - incremental_append: every sync sends again what began within the lookback, or the new events.
# For each key the message with the newest `_airbyte_emitted_at` counts. What is gone is only to be
# seen by what a later sync no longer sends; docs/airbyte-cloud.md says how, and where it fails.
#
# Checked here: `terraform fmt`, parsing, the source's configuration against the connector's
# specification, streams and sync modes against what the manifest alone discovers, and that Terraform
# turns the manifest into the same JSON as the connector reads.
# Not run: `terraform init`, `plan` and `apply`, which need the provider and an Airbyte Cloud account.

terraform {
  required_providers {
    airbyte = {
      source  = "airbytehq/airbyte"
      version = "~> 1.1"
    }
  }
}

provider "airbyte" {
  client_id     = var.airbyte_client_id
  client_secret = var.airbyte_client_secret
}

locals {
  # Leave out what you do not need: each line costs requests and messages in every sync.
  streams = {
    # generated: streams of Terraform
    workspaces                = "full_refresh_append"
    users                     = "full_refresh_append"
    member_profiles           = "full_refresh_append"
    user_groups               = "full_refresh_append"
    clients                   = "full_refresh_append"
    projects                  = "full_refresh_append"
    tasks                     = "full_refresh_append"
    tags                      = "full_refresh_append"
    custom_fields             = "full_refresh_append"
    project_custom_fields     = "full_refresh_append"
    time_entries              = "incremental_append"
    time_entries_in_progress  = "full_refresh_append"
    expenses                  = "full_refresh_append"
    expense_categories        = "full_refresh_append"
    invoices                  = "full_refresh_append"
    invoice_details           = "full_refresh_append"
    invoice_payments          = "full_refresh_append"
    invoice_settings          = "full_refresh_append"
    holidays                  = "full_refresh_append"
    time_off_policies         = "full_refresh_append"
    time_off_requests         = "incremental_append"
    time_off_balances         = "full_refresh_append"
    scheduling_assignments    = "incremental_append"
    scheduling_user_totals    = "full_refresh_append"
    scheduling_project_totals = "full_refresh_append"
    approval_requests         = "incremental_append"
    shared_reports            = "full_refresh_append"
    webhooks                  = "full_refresh_append"
    webhook_logs              = "incremental_append"
    audit_log                 = "incremental_append"
    entity_changes_created    = "incremental_append"
    entity_changes_updated    = "incremental_append"
    entity_changes_deleted    = "incremental_append"
    time_entries_changed      = "incremental_append"
    time_entries_deleted      = "incremental_append"
    detailed_report           = "incremental_append"
    summary_report            = "incremental_append"
    weekly_report             = "incremental_append"
    attendance_report         = "incremental_append"
    expense_report            = "incremental_append"
    # end
  }
}

resource "airbyte_declarative_source_definition" "clockify" {
  workspace_id = var.airbyte_workspace_id
  name         = "Clockify"
  manifest     = jsonencode(yamldecode(file("${path.module}/../../../source_clockify/manifest.yaml")))
}

resource "airbyte_source" "clockify" {
  workspace_id  = var.airbyte_workspace_id
  name          = "Clockify"
  definition_id = airbyte_declarative_source_definition.clockify.id

  # The fields of the manifest's specification; track_changes and resend_changes have no effect here.
  configuration = jsonencode({
    credentials = {
      auth_type = "api_key"
      api_key   = var.clockify_api_key
    }
    server = {
      server_type = "region"
      region      = var.clockify_region
    }
    workspace_ids = var.clockify_workspace_ids
    start_date    = var.clockify_start_date
    lookback_days = 30
    plan          = var.clockify_plan
  })
}

resource "airbyte_destination" "pubsub" {
  workspace_id = var.airbyte_workspace_id
  name         = "Pub/Sub"
  # Google PubSub in Airbyte's catalog, the same in every Airbyte.
  definition_id = "356668e2-7e34-47f3-a3b0-67a8a481b692"

  configuration = jsonencode({
    project_id       = var.google_project_id
    topic_id         = var.pubsub_topic_id
    credentials_json = var.google_credentials_json
    # A reader goes by `_airbyte_emitted_at`, not by the order of arrival; and in an ordered stream
    # one message that Pub/Sub refuses takes all later ones with it.
    ordering_enabled = false
    batching_enabled = true
    # The defaults are 1 each: one request a record.
    batching_delay_threshold         = 100
    batching_element_count_threshold = 100
    batching_request_bytes_threshold = 1000000
  })
}

resource "airbyte_connection" "clockify_to_pubsub" {
  name           = "Clockify to Pub/Sub"
  source_id      = airbyte_source.clockify.source_id
  destination_id = airbyte_destination.pubsub.destination_id

  configurations = {
    streams = [for name, mode in local.streams : { name = name, sync_mode = mode }]
  }

  # Quartz: second, minute, hour, day, month, day of the week, year, time zone.
  schedule = {
    schedule_type   = "cron"
    cron_expression = var.schedule
  }
}
