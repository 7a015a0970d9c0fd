CREATE TABLE workflows (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  steps TEXT NOT NULL,
  published_at INTEGER,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;

CREATE INDEX idx_workflows_user_created ON workflows (user_id, created_at DESC, id DESC);

CREATE INDEX idx_workflows_published ON workflows (published_at DESC, id DESC)
WHERE published_at IS NOT NULL;

-- A run is written here, with the steps it will run and when it is due, before its executor is
-- called and before the client hears of it. Afterwards the row follows the executor's state:
-- `version` only grows.
CREATE TABLE workflow_runs (
  id TEXT PRIMARY KEY,
  workflow_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  status TEXT NOT NULL,
  definition TEXT NOT NULL,
  report TEXT NOT NULL,
  version INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX idx_workflow_runs_user_created ON workflow_runs (user_id, created_at DESC, id DESC);

CREATE INDEX idx_workflow_runs_workflow_created
ON workflow_runs (workflow_id, created_at DESC, id DESC);

CREATE INDEX idx_workflow_runs_status ON workflow_runs (status)
WHERE status IN ('running', 'failed');

-- What the sweep looks for: runs that should have moved and have not.
CREATE INDEX idx_workflow_runs_due ON workflow_runs (due_at)
WHERE status IN ('queued', 'running', 'waiting');
