-- The other resources that the platform bills, each a column of its own.
ALTER TABLE usage_months ADD COLUMN kv_writes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_months ADD COLUMN kv_deletes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_months ADD COLUMN ai_input_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_months ADD COLUMN ai_output_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_months ADD COLUMN ai_millineurons INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_months ADD COLUMN vector_dimensions_queried INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_months ADD COLUMN vector_dimensions_written INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_months ADD COLUMN analytics_points INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_months ADD COLUMN object_writes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_months ADD COLUMN object_reads INTEGER NOT NULL DEFAULT 0;
