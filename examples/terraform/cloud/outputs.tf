# Checked and not run: see main.tf.

output "connection_id" {
  description = "For Airbyte's API: start a sync, look at its jobs."
  value       = airbyte_connection.clockify_to_pubsub.connection_id
}

output "source_definition_id" {
  description = "The connector in Airbyte."
  value       = airbyte_declarative_source_definition.clockify.id
}
