# Secrets belong into TF_VAR_... variables of the environment or a .tfvars file outside of version
# control; they are kept in Terraform's state as well. Checked and not run: see main.tf.

variable "airbyte_api_url" {
  description = "Airbyte's public API."
  type        = string
  default     = "http://localhost:8000/api/public/v1/"
}

variable "airbyte_client_id" {
  description = "Of an application: in Airbyte under User settings, Applications."
  type        = string
  sensitive   = true
}

variable "airbyte_client_secret" {
  description = "Of the same application."
  type        = string
  sensitive   = true
}

variable "airbyte_workspace_id" {
  description = "The Airbyte workspace; it is in the address of its pages."
  type        = string
}

variable "image_repository" {
  description = "The image without its tag, as Airbyte can pull it."
  type        = string
  default     = "ghcr.io/owner_not_set/source-clockify"
}

variable "image_tag" {
  description = "A fixed version. Airbyte keeps images by tag, so a new build needs a new tag."
  type        = string
  default     = "0.2.0"
}

variable "clockify_api_key" {
  description = "Of a workspace owner or admin; in Clockify under Preferences, Advanced, Manage API keys."
  type        = string
  sensitive   = true
}

variable "clockify_region" {
  description = "global, eu, us, uk or au."
  type        = string
  default     = "global"
}

variable "clockify_workspace_ids" {
  description = "The Clockify workspaces to read; empty for all that the key sees. A workspace belongs to one connection of a topic."
  type        = list(string)
  default     = []
}

variable "clockify_start_date" {
  description = "Nothing that began before it is read."
  type        = string
  default     = "2024-01-01T00:00:00Z"
}

variable "clockify_plan" {
  description = "paid, or free for 30 requests an hour."
  type        = string
  default     = "paid"
}

variable "google_project_id" {
  type = string
}

variable "pubsub_topic_id" {
  description = "The topic's name without its project."
  type        = string
}

variable "google_credentials_json" {
  description = "The text of a service account's key file; the account needs the role Pub/Sub Publisher on the topic."
  type        = string
  sensitive   = true
}

variable "schedule" {
  description = "When to sync; every hour."
  type        = string
  default     = "0 0 * * * ? * UTC"
}
