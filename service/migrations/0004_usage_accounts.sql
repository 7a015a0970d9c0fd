-- What was used in a calendar month (UTC), for whom and what for: added to from time to time. Without
-- a caller it was for the deployment itself, whose name is empty. What runs used stands in their own
-- rows. `usage` is an object of amounts by resource; `written` says how often the row was written,
-- which is billed, too.
CREATE TABLE usage_accounts (
  user_id TEXT NOT NULL,
  month TEXT NOT NULL,
  cause TEXT NOT NULL,
  count INTEGER NOT NULL,
  written INTEGER NOT NULL,
  usage TEXT NOT NULL,
  PRIMARY KEY (user_id, month, cause)
) STRICT, WITHOUT ROWID;

INSERT INTO usage_accounts
SELECT user_id, month, 'requests', requests, 0, json_object(
  'rows_read', rows_read, 'rows_written', rows_written, 'kv_reads', kv_reads,
  'actor_requests', actor_requests, 'outbound_requests', outbound_requests)
FROM usage_months;

DROP TABLE usage_months;
