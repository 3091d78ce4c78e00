{#
    The streams of the connector: the key of each, the column by which its window is counted, and the
    columns that the staging model reads, with what they hold (text, number, boolean, moment, day,
    json). Names are Clockify's; in the models `timeInterval` is `time_interval`.
#}
{% macro streams() %}
    {{- return({
        'workspaces': {
            'key': ['id'],
            'text': ['name', 'featureSubscriptionType'],
            'json': ['hourlyRate', 'costRate', 'currencies', 'workspaceSettings'],
        },
        'users': {
            'key': ['workspaceId', 'id'],
            'text': ['name', 'email', 'status'],
            'json': ['settings', 'memberships', 'roles'],
        },
        'member_profiles': {
            'key': ['workspaceId', 'userId'],
            'text': ['weekStart', 'workCapacity'],
            'json': ['workingDays'],
        },
        'user_groups': {
            'key': ['id'], 'text': ['workspaceId', 'name'], 'json': ['userIds'],
        },
        'clients': {
            'key': ['id'],
            'text': ['workspaceId', 'name', 'email', 'currencyCode'],
            'boolean': ['archived'],
        },
        'projects': {
            'key': ['id'],
            'text': ['workspaceId', 'clientId', 'name', 'color'],
            'boolean': ['archived', 'billable', 'template', 'public'],
            'json': [
                'hourlyRate', 'costRate', 'memberships', 'timeEstimate', 'budgetEstimate',
                'estimateReset',
            ],
        },
        'tasks': {
            'key': ['id'],
            'text': ['workspaceId', 'projectId', 'name', 'status', 'estimate'],
            'boolean': ['billable'],
            'number': ['budgetEstimate'],
            'json': ['assigneeIds', 'hourlyRate', 'costRate'],
        },
        'tags': {
            'key': ['id'], 'text': ['workspaceId', 'name'], 'boolean': ['archived'],
        },
        'custom_fields': {
            'key': ['id'],
            'text': ['workspaceId', 'name', 'entityType', 'type', 'status'],
        },
        'project_custom_fields': {'key': ['projectId', 'id']},
        'time_entries': {
            'key': ['id'],
            'window': 'start',
            'text': ['workspaceId', 'userId', 'projectId', 'taskId', 'description', 'type', 'kioskId'],
            'boolean': ['billable', 'isLocked'],
            'json': ['timeInterval', 'tagIds', 'hourlyRate', 'costRate', 'customFieldValues'],
        },
        'time_entries_in_progress': {'key': ['id']},
        'expenses': {
            'key': ['id'],
            'text': ['workspaceId', 'userId', 'notes'],
            'day': ['date'],
            'number': ['quantity', 'total'],
            'boolean': ['billable'],
            'json': ['category', 'project', 'task'],
        },
        'expense_categories': {'key': ['id']},
        'invoices': {
            'key': ['id'],
            'text': ['workspaceId', 'number', 'clientId', 'clientName', 'status', 'currency'],
            'day': ['issuedDate', 'dueDate'],
            'number': ['amount', 'paid', 'balance'],
        },
        'invoice_details': {
            'key': ['id'],
            'text': ['workspaceId'],
            'number': ['subtotal', 'discountAmount', 'taxAmount', 'tax2Amount'],
            'json': ['items'],
        },
        'invoice_payments': {
            'key': ['id'],
            'text': ['workspaceId', 'invoiceId', 'author', 'note'],
            'number': ['amount'],
            'moment': ['date'],
        },
        'invoice_settings': {'key': ['workspaceId']},
        'holidays': {
            'key': ['id'],
            'text': ['workspaceId', 'name'],
            'boolean': ['occursAnnually', 'everyoneIncludingNew'],
            'json': ['datePeriod', 'userIds', 'userGroupIds'],
        },
        'time_off_policies': {
            'key': ['id'], 'text': ['workspaceId', 'name', 'timeUnit'], 'boolean': ['archived'],
        },
        'time_off_requests': {
            'key': ['id'],
            'text': ['workspaceId', 'policyId', 'userId', 'timeUnit', 'userTimeZone'],
            'number': ['balanceDiff'],
            'json': ['timeOffPeriod', 'status'],
        },
        'time_off_balances': {
            'key': ['policyId', 'userId'],
            'text': ['workspaceId', 'policyName', 'policyTimeUnit'],
            'number': ['balance', 'total', 'used'],
        },
        'scheduling_assignments': {
            'key': ['id'],
            'window': 'periodStart',
            'text': ['workspaceId', 'userId', 'projectId', 'taskId'],
            'number': ['hoursPerDay'],
            'boolean': ['billable'],
            'json': ['period'],
        },
        'scheduling_user_totals': {'key': ['workspaceId', 'userId']},
        'scheduling_project_totals': {'key': ['workspaceId', 'projectId', 'taskId']},
        'approval_requests': {
            'key': ['id'],
            'text': ['workspaceId', 'trackedTime', 'approvedTime', 'pendingTime'],
            'moment': ['updatedAt'],
            'json': ['approvalRequest', 'entries'],
        },
        'shared_reports': {'key': ['id']},
        'webhooks': {'key': ['id']},
        'webhook_logs': {'key': ['id']},
        'audit_log': {'key': ['workspaceId', 'id']},
        'entity_changes_created': {'key': ['workspaceId', 'documentCode', 'id', 'timestamp']},
        'entity_changes_updated': {'key': ['workspaceId', 'documentCode', 'id', 'timestamp']},
        'entity_changes_deleted': {'key': ['workspaceId', 'documentCode', 'id', 'timestamp']},
        'time_entries_changed': {'key': ['workspaceId', 'id', 'changedAt']},
        'time_entries_deleted': {'key': ['workspaceId', 'id', 'deletedAt']},
        'detailed_report': {
            'key': ['workspaceId', '_id'],
            'window': 'start',
            'text': [
                'userId', 'userName', 'userEmail', 'clientId', 'clientName', 'projectId',
                'projectName', 'taskId', 'taskName', 'description', 'type', 'kioskId',
                'approvalRequestId', 'currency',
            ],
            'boolean': ['billable', 'isLocked'],
            'number': ['amount', 'rate', 'earnedAmount', 'earnedRate', 'costAmount', 'costRate'],
            'json': ['timeInterval', 'tags', 'customFields', 'invoicingInfo'],
        },
        'summary_report': {
            'key': ['workspaceId', 'date'],
            'window': 'date',
            'day': ['date'],
            'number': ['duration', 'amount'],
        },
        'weekly_report': {'key': ['workspaceId', 'weekStart', '_id'], 'window': 'weekStart'},
        'attendance_report': {'key': ['workspaceId', 'userId', 'date'], 'window': 'date'},
        'expense_report': {'key': ['id'], 'window': 'date'},
        'sync_log': {
            'key': ['stream', '_ab_cdc_updated_at'],
            'moment': ['previous_updated_at', 'started_at', 'ended_at', 'window_start'],
            'text': ['status', 'sync_mode', 'connector_version'],
            'number': ['sent', 'resent', 'deleted', 'live', 'oversized', 'waiting'],
            'json': ['skipped'],
        },
    }) }}
{% endmacro %}


{# The columns of a stream and what they hold. Those of the key are text unless it says otherwise. #}
{% macro columns_of(stream) %}
    {% set definition = clockify.streams()[stream] %}
    {% set columns = {} %}
    {% for name in definition['key'] if not name.startswith('_ab_cdc') %}
        {% do columns.update({name: 'text'}) %}
    {% endfor %}
    {% for kind in ['text', 'number', 'boolean', 'moment', 'day', 'json'] %}
        {% for name in definition.get(kind, []) %}
            {% do columns.update({name: kind}) %}
        {% endfor %}
    {% endfor %}
    {{- return(columns) }}
{% endmacro %}

{# timeInterval -> time_interval, _id -> id #}
{% macro snake(name) %}
    {% set words = modules.re.sub('([a-z0-9])([A-Z])', '\\1_\\2', name) %}
    {{- return(words.lower().lstrip('_') if not name.startswith('_ab_cdc') else name[4:]) }}
{% endmacro %}
