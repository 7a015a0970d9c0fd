-- What somebody used of their plan in a calendar month (UTC).
CREATE TABLE quota_months (
  user_id TEXT NOT NULL,
  month TEXT NOT NULL,
  runs INTEGER NOT NULL CHECK (runs >= 0),
  ai_operations INTEGER NOT NULL CHECK (ai_operations >= 0),
  PRIMARY KEY (user_id, month)
) STRICT, WITHOUT ROWID;

-- Subscriptions, as the newest event about each says. `event_created` is Stripe's, in seconds.
-- `version` counts the changes.
CREATE TABLE subscriptions (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL,
  customer_id TEXT NOT NULL,
  plan TEXT NOT NULL,
  status TEXT NOT NULL,
  entitled INTEGER NOT NULL,
  period_end INTEGER,
  event_created INTEGER NOT NULL,
  version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX idx_subscriptions_user ON subscriptions (user_id, entitled);

-- Events that were taken. An event is applied by the statement that takes it, or not at all: the
-- trigger belongs to it.
CREATE TABLE stripe_events (
  id TEXT PRIMARY KEY,
  created INTEGER NOT NULL,
  received_at INTEGER NOT NULL,
  subscription_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  customer_id TEXT NOT NULL,
  plan TEXT NOT NULL,
  status TEXT NOT NULL,
  entitled INTEGER NOT NULL,
  period_end INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX idx_stripe_events_received ON stripe_events (received_at);

-- An older event never overwrites a newer one, and what was cancelled stays so: Stripe gives a new
-- subscription a new identifier. Events of one second count in the order in which they come.
CREATE TRIGGER apply_stripe_event AFTER INSERT ON stripe_events
BEGIN
  INSERT INTO subscriptions
  (id, user_id, customer_id, plan, status, entitled, period_end, event_created, version)
  VALUES (
    new.subscription_id, new.user_id, new.customer_id, new.plan, new.status, new.entitled,
    new.period_end, new.created, 1
  )
  ON CONFLICT (id) DO UPDATE SET
    user_id = excluded.user_id, customer_id = excluded.customer_id, plan = excluded.plan,
    status = excluded.status, entitled = excluded.entitled, period_end = excluded.period_end,
    event_created = excluded.event_created, version = subscriptions.version + 1
  WHERE excluded.event_created >= subscriptions.event_created
    AND subscriptions.status <> 'canceled';
END;

-- Workflows whose vector is not what it should be. Written together with the workflow, so that none
-- is forgotten. Done when it is still as it was read: `changes` says so.
CREATE TABLE search_outbox (
  workflow_id TEXT PRIMARY KEY,
  changes INTEGER NOT NULL,
  due_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX idx_search_outbox_due ON search_outbox (due_at);

CREATE TRIGGER search_after_insert AFTER INSERT ON workflows
BEGIN
  INSERT INTO search_outbox VALUES (new.id, 1, new.updated_at)
  ON CONFLICT (workflow_id) DO UPDATE SET changes = changes + 1, due_at = excluded.due_at;
END;

CREATE TRIGGER search_after_update AFTER UPDATE ON workflows
WHEN new.name <> old.name OR new.description <> old.description
  OR new.published_at IS NOT old.published_at
BEGIN
  INSERT INTO search_outbox VALUES (new.id, 1, max(new.updated_at, ifnull(new.published_at, 0)))
  ON CONFLICT (workflow_id) DO UPDATE SET changes = changes + 1, due_at = excluded.due_at;
END;

CREATE TRIGGER search_after_delete AFTER DELETE ON workflows
BEGIN
  INSERT INTO search_outbox VALUES (old.id, 1, old.updated_at)
  ON CONFLICT (workflow_id) DO UPDATE SET changes = changes + 1, due_at = excluded.due_at;
END;

INSERT INTO search_outbox SELECT id, 1, updated_at FROM workflows;
