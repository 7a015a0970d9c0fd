-- Stripe's instants are whole seconds, and its events come in any order. Of one second, `rank` decides:
-- a subscription is created (0), updated (1) and deleted (2). `previous` is the plan and the status
-- before an update, as `growth/trialing`, if either was another one.
ALTER TABLE stripe_events ADD COLUMN rank INTEGER NOT NULL DEFAULT 1;
ALTER TABLE stripe_events ADD COLUMN previous TEXT;
ALTER TABLE subscriptions ADD COLUMN event_rank INTEGER NOT NULL DEFAULT 1;
ALTER TABLE subscriptions ADD COLUMN event_previous TEXT;

-- contract: the trigger makes way for the one below, which does the same for statements of older versions:
-- what they do not know has a default.
DROP TRIGGER apply_stripe_event;

-- An older event never overwrites a newer one, and what was cancelled stays so: Stripe gives a new
-- subscription a new identifier. Of two updates in one second, the one that begins where the other ends is
-- the later one; where neither does, the one that comes later.
CREATE TRIGGER apply_stripe_event AFTER INSERT ON stripe_events
BEGIN
  INSERT INTO subscriptions
  (id, user_id, customer_id, plan, status, entitled, period_end, event_created, event_rank,
   event_previous, version)
  VALUES (
    new.subscription_id, new.user_id, new.customer_id, new.plan, new.status, new.entitled,
    new.period_end, new.created, new.rank, new.previous, 1
  )
  ON CONFLICT (id) DO UPDATE SET
    user_id = excluded.user_id, customer_id = excluded.customer_id, plan = excluded.plan,
    status = excluded.status, entitled = excluded.entitled, period_end = excluded.period_end,
    event_created = excluded.event_created, event_rank = excluded.event_rank,
    event_previous = excluded.event_previous, version = subscriptions.version + 1
  WHERE subscriptions.status <> 'canceled' AND (
    excluded.event_created > subscriptions.event_created
    OR excluded.event_created = subscriptions.event_created AND (
      excluded.event_rank > subscriptions.event_rank
      OR excluded.event_rank = subscriptions.event_rank AND (
        subscriptions.event_previous IS NOT excluded.plan || '/' || excluded.status
        OR excluded.event_previous IS subscriptions.plan || '/' || subscriptions.status
      )
    )
  );
END;
