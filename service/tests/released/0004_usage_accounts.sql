-- ping
SELECT 1 AS one;

-- insert_workflow
INSERT INTO workflows (id, user_id, name, description, steps, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7);

-- list_workflows
SELECT id, name, description, steps, published_at, created_at, updated_at FROM workflows WHERE user_id = ?1 AND (created_at, id) < (?2, ?3) ORDER BY created_at DESC, id DESC LIMIT ?4;

-- get_workflow
SELECT id, name, description, steps, published_at, created_at, updated_at FROM workflows WHERE id = ?1 AND user_id = ?2;

-- update_workflow
UPDATE workflows SET name = ?3, description = ?4, steps = ?5, updated_at = ?6 WHERE id = ?1 AND user_id = ?2 RETURNING id, name, description, steps, published_at, created_at, updated_at;

-- publish_workflow
UPDATE workflows SET published_at = coalesce(published_at, ?3) WHERE id = ?1 AND user_id = ?2 RETURNING id, name, description, steps, published_at, created_at, updated_at;

-- delete_workflow
DELETE FROM workflows WHERE id = ?1 AND user_id = ?2 RETURNING id;

-- list_published_workflows
SELECT id, name, description, published_at FROM workflows WHERE published_at IS NOT NULL AND (published_at, id) < (?1, ?2) ORDER BY published_at DESC, id DESC LIMIT ?3;

-- insert_run
INSERT INTO workflow_runs (id, workflow_id, user_id, status, definition, report, version, due_at, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9);

-- get_run
SELECT report FROM workflow_runs WHERE id = ?1 AND user_id = ?2;

-- get_run_intent
SELECT user_id, definition, report FROM workflow_runs WHERE id = ?1 AND user_id = ?2;

-- list_runs
SELECT id, workflow_id, status, created_at, report ->> '$.updated_at' AS updated_at, report ->> '$.finished_at' AS finished_at FROM workflow_runs WHERE user_id = ?1 AND (created_at, id) < (?2, ?3) ORDER BY created_at DESC, id DESC LIMIT ?4;

-- list_runs_of_workflow
SELECT id, workflow_id, status, created_at, report ->> '$.updated_at' AS updated_at, report ->> '$.finished_at' AS finished_at FROM workflow_runs WHERE workflow_id = ?1 AND user_id = ?2 AND (created_at, id) < (?3, ?4) ORDER BY created_at DESC, id DESC LIMIT ?5;

-- project_run
UPDATE workflow_runs SET status = ?2, report = ?3, version = ?4, due_at = ?5 WHERE id = ?1 AND version < ?4;

-- settle_run
UPDATE workflow_runs SET report = json_set(report, '$.usage', json(?2)) WHERE id = ?1;

-- list_overdue_runs
SELECT user_id, definition, report FROM workflow_runs WHERE status IN ('queued', 'running', 'waiting') AND due_at < ?1 ORDER BY due_at LIMIT ?2;

-- claim_idempotency_key
INSERT INTO idempotency_keys (scope, fingerprint, claim, resource, expires_at) VALUES (?1, ?2, ?3, ?3, ?4) ON CONFLICT (scope) DO UPDATE SET resource = CASE WHEN status IS NULL AND fingerprint = excluded.fingerprint THEN resource ELSE excluded.resource END, fingerprint = excluded.fingerprint, claim = excluded.claim, expires_at = excluded.expires_at, status = NULL, content_type = NULL, location = NULL, body = NULL WHERE expires_at <= ?5 RETURNING resource;

-- get_idempotency_key
SELECT fingerprint, status, content_type, location, body FROM idempotency_keys WHERE scope = ?1;

-- complete_idempotency_key
UPDATE idempotency_keys SET status = ?3, content_type = ?4, location = ?5, body = ?6, expires_at = ?7 WHERE scope = ?1 AND claim = ?2;

-- expire_idempotency_key
UPDATE idempotency_keys SET expires_at = ?3 WHERE scope = ?1 AND claim = ?2;

-- clean_idempotency_keys
DELETE FROM idempotency_keys WHERE expires_at <= ?1;

-- add_usage
INSERT INTO usage_accounts VALUES (?1, ?2, ?3, ?4, 1, ?5) ON CONFLICT (user_id, month, cause) DO UPDATE SET count = count + excluded.count, written = written + 1, usage = json_set(json_set(json_set(json_set(json_set(json_set(json_set(json_set(json_set(json_set(json_set(json_set(json_set(json_set(json_set(usage, '$.rows_read', ifnull(usage ->> '$.rows_read', 0) + ifnull(excluded.usage ->> '$.rows_read', 0)), '$.rows_written', ifnull(usage ->> '$.rows_written', 0) + ifnull(excluded.usage ->> '$.rows_written', 0)), '$.kv_reads', ifnull(usage ->> '$.kv_reads', 0) + ifnull(excluded.usage ->> '$.kv_reads', 0)), '$.kv_writes', ifnull(usage ->> '$.kv_writes', 0) + ifnull(excluded.usage ->> '$.kv_writes', 0)), '$.kv_deletes', ifnull(usage ->> '$.kv_deletes', 0) + ifnull(excluded.usage ->> '$.kv_deletes', 0)), '$.actor_requests', ifnull(usage ->> '$.actor_requests', 0) + ifnull(excluded.usage ->> '$.actor_requests', 0)), '$.outbound_requests', ifnull(usage ->> '$.outbound_requests', 0) + ifnull(excluded.usage ->> '$.outbound_requests', 0)), '$.ai_input_tokens', ifnull(usage ->> '$.ai_input_tokens', 0) + ifnull(excluded.usage ->> '$.ai_input_tokens', 0)), '$.ai_output_tokens', ifnull(usage ->> '$.ai_output_tokens', 0) + ifnull(excluded.usage ->> '$.ai_output_tokens', 0)), '$.ai_millineurons', ifnull(usage ->> '$.ai_millineurons', 0) + ifnull(excluded.usage ->> '$.ai_millineurons', 0)), '$.vector_dimensions_queried', ifnull(usage ->> '$.vector_dimensions_queried', 0) + ifnull(excluded.usage ->> '$.vector_dimensions_queried', 0)), '$.vector_dimensions_written', ifnull(usage ->> '$.vector_dimensions_written', 0) + ifnull(excluded.usage ->> '$.vector_dimensions_written', 0)), '$.analytics_points', ifnull(usage ->> '$.analytics_points', 0) + ifnull(excluded.usage ->> '$.analytics_points', 0)), '$.object_writes', ifnull(usage ->> '$.object_writes', 0) + ifnull(excluded.usage ->> '$.object_writes', 0)), '$.object_reads', ifnull(usage ->> '$.object_reads', 0) + ifnull(excluded.usage ->> '$.object_reads', 0));

-- get_usage_of_account
SELECT cause, count, written, usage FROM usage_accounts WHERE user_id = ?1 AND month = ?2;

-- get_usage_of_runs
SELECT count(*) AS count, ifnull(sum(report ->> '$.usage.rows_read'), 0) AS rows_read, ifnull(sum(report ->> '$.usage.rows_written'), 0) AS rows_written, ifnull(sum(report ->> '$.usage.kv_reads'), 0) AS kv_reads, ifnull(sum(report ->> '$.usage.kv_writes'), 0) AS kv_writes, ifnull(sum(report ->> '$.usage.kv_deletes'), 0) AS kv_deletes, ifnull(sum(report ->> '$.usage.actor_requests'), 0) AS actor_requests, ifnull(sum(report ->> '$.usage.outbound_requests'), 0) AS outbound_requests, ifnull(sum(report ->> '$.usage.ai_input_tokens'), 0) AS ai_input_tokens, ifnull(sum(report ->> '$.usage.ai_output_tokens'), 0) AS ai_output_tokens, ifnull(sum(report ->> '$.usage.ai_millineurons'), 0) AS ai_millineurons, ifnull(sum(report ->> '$.usage.vector_dimensions_queried'), 0) AS vector_dimensions_queried, ifnull(sum(report ->> '$.usage.vector_dimensions_written'), 0) AS vector_dimensions_written, ifnull(sum(report ->> '$.usage.analytics_points'), 0) AS analytics_points, ifnull(sum(report ->> '$.usage.object_writes'), 0) AS object_writes, ifnull(sum(report ->> '$.usage.object_reads'), 0) AS object_reads FROM workflow_runs WHERE user_id = ?1 AND created_at >= ?2 AND created_at < ?3;
