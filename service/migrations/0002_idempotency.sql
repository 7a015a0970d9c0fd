-- Requests that carry an Idempotency-Key. The row is the claim to carry a request out, and later its
-- outcome: `status` is null in between. `resource` is the id of what the request makes: whoever
-- takes over a claim that expired makes the same thing, not a second one.
CREATE TABLE idempotency_keys (
  scope TEXT PRIMARY KEY,
  fingerprint TEXT NOT NULL,
  claim TEXT NOT NULL,
  resource TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  status INTEGER,
  content_type TEXT,
  location TEXT,
  body TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX idx_idempotency_keys_expires ON idempotency_keys (expires_at);
