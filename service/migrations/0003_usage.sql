-- What the requests of a user used in a calendar month (UTC): one row, added to from time to time.
-- What runs used stands in their own rows.
CREATE TABLE usage_months (
  user_id TEXT NOT NULL,
  month TEXT NOT NULL,
  requests INTEGER NOT NULL,
  rows_read INTEGER NOT NULL,
  rows_written INTEGER NOT NULL,
  kv_reads INTEGER NOT NULL,
  actor_requests INTEGER NOT NULL,
  outbound_requests INTEGER NOT NULL,
  PRIMARY KEY (user_id, month)
) STRICT, WITHOUT ROWID;
