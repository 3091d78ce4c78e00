# Clockify to Google Pub/Sub on a self-managed Airbyte: the connector's image as a custom source, the
# Pub/Sub destination, and a connection that tracks changes.
#
# The image has to be where Airbyte can pull it; CONTRIBUTING.md says how to build and push it.
# The topic has to exist: Airbyte's Pub/Sub destination does not make it, and loses every record
# without an error if it is missing.
#
# Checked here: `terraform fmt`, parsing, the source's configuration against the connector's
# specification, streams and sync modes against what the connector discovers.
# Not run: `terraform init`, `plan` and `apply`, which need the provider and an Airbyte.

terraform {
  required_providers {
    airbyte = {
      source  = "airbytehq/airbyte"
      version = "~> 1.1"
    }
  }
}

provider "airbyte" {
  server_url    = var.airbyte_api_url
  client_id     = var.airbyte_client_id
  client_secret = var.airbyte_client_secret
}

locals {
  # With change tracking every stream is incremental: new, edited and deleted records, once each.
  streams = {
    workspaces   = "incremental_append"
    users        = "incremental_append"
    user_groups  = "incremental_append"
    clients      = "incremental_append"
    projects     = "incremental_append"
    tasks        = "incremental_append"
    tags         = "incremental_append"
    time_entries = "incremental_append"
  }
}

resource "airbyte_source_definition" "clockify" {
  workspace_id      = var.airbyte_workspace_id
  name              = "Clockify"
  docker_repository = var.image_repository
  docker_image_tag  = var.image_tag
}

resource "airbyte_source" "clockify" {
  workspace_id  = var.airbyte_workspace_id
  name          = "Clockify"
  definition_id = airbyte_source_definition.clockify.id

  # The fields that `source-clockify spec` describes.
  configuration = jsonencode({
    credentials = {
      auth_type = "api_key"
      api_key   = var.clockify_api_key
    }
    server = {
      server_type = "region"
      region      = var.clockify_region
    }
    workspace_ids  = var.clockify_workspace_ids
    start_date     = var.clockify_start_date
    lookback_days  = 30
    plan           = var.clockify_plan
    track_changes  = true
    resend_changes = 1
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
    # A reader goes by the version in the record, not by the order of arrival; and in an ordered
    # stream one message that Pub/Sub refuses takes all later ones with it.
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

  # Quartz: second, minute, hour, day, month, day of the week, year, time zone. Syncs that begin at
  # least an hour after the one before send its changes again (resend_changes).
  schedule = {
    schedule_type   = "cron"
    cron_expression = var.schedule
  }
}
