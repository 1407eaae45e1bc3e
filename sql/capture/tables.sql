-- What ought to be captured. What is captured, the triggers say; lifecycle.capture_status() compares the two.
CREATE TABLE lifecycle.capture (
    queue text NOT NULL,
    queue_oid oid NOT NULL,
    source text NOT NULL,
    source_oid oid NOT NULL,
    consumer name NOT NULL,
    key_columns name[] NOT NULL,
    column_numbers smallint[] NOT NULL,
    trigger_level text NOT NULL,
    enable_always boolean NOT NULL,
    partitions text[] NOT NULL DEFAULT '{}',
    partition_oids oid[] NOT NULL DEFAULT '{}',
    origin text NOT NULL DEFAULT lifecycle._origin(),
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_by name NOT NULL DEFAULT current_user,
    CONSTRAINT capture_pkey PRIMARY KEY (queue),
    CONSTRAINT capture_source_key UNIQUE (source_oid, consumer, origin),
    CONSTRAINT capture_trigger_level_check CHECK (trigger_level IN ('statement', 'row')),
    CONSTRAINT capture_key_columns_check CHECK (cardinality(key_columns) = cardinality(column_numbers)),
    CONSTRAINT capture_partitions_check CHECK (cardinality(partitions) = cardinality(partition_oids))
);
COMMENT ON TABLE lifecycle.capture IS
'One row a source and consumer: the queue, the captured columns, the partitions known at the last look. Objects are
named by text and by oid; origin says which database the oids belong to. Read it through lifecycle.capture_status().';

INSERT INTO lifecycle.admin_privilege (relation, privileges) VALUES
(
    'capture',
    'INSERT (queue, queue_oid, source, source_oid, consumer, key_columns, column_numbers, trigger_level, '
    || 'enable_always, partitions, partition_oids), '
    || 'UPDATE (queue_oid, source, source_oid, key_columns, column_numbers, partitions, partition_oids, origin), DELETE'
);

INSERT INTO lifecycle.routine_purpose (routine, purpose) VALUES
('capture_status', 'use'),
('_captures', 'use'),
('_captured_by', 'use'),
('_capture_columns', 'use'),
('_capture_problems', 'use'),
('_capture_triggers', 'use'),
('_capture_size', 'use'),
('_capture_events', 'use'),
('_capture_trigger_name', 'use'),
('_partitions', 'use'),
('_partitions_changed', 'use'),
('_base_type', 'use'),
('_name', 'use')
ON CONFLICT ON CONSTRAINT routine_purpose_pkey DO NOTHING;

ALTER TABLE lifecycle.capture ENABLE ROW LEVEL SECURITY;

SELECT pg_catalog.pg_extension_config_dump('lifecycle.capture', '');
