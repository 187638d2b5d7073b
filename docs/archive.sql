-- Keeps what retention deletes: PostgreSQL 14 or newer. See scaling.md, "Partition the finished jobs".
-- Dispatch, claims and pages go on with the small tables; these are only added to, and go a month at a time.

CREATE TABLE jobs_archive (
    kind text NOT NULL,                 -- jobs_job or jobs_attempt
    job bigint NOT NULL,
    finished_at timestamptz NOT NULL,
    was jsonb NOT NULL                  -- the whole row, whatever columns later versions add
) PARTITION BY RANGE (finished_at);
CREATE INDEX ON jobs_archive (job);
CREATE TABLE jobs_archive_rest PARTITION OF jobs_archive DEFAULT;

-- Makes the partition of a month, of UTC, and moves into it what has landed in the rest. Once more does nothing.
CREATE FUNCTION jobs_archive_month(day date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    month timestamp := date_trunc('month', day);
    begins timestamptz := month AT TIME ZONE 'UTC';
    ends timestamptz := (month + interval '1 month') AT TIME ZONE 'UTC';
    name text := to_char(month, '"jobs_archive_"YYYY_MM');
BEGIN
    IF to_regclass(name) IS NOT NULL THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE jobs_archive)', name);
    EXECUTE format('WITH moved AS (DELETE FROM jobs_archive_rest
                                   WHERE finished_at >= %L AND finished_at < %L RETURNING *)
                    INSERT INTO %I SELECT * FROM moved', begins, ends, name);
    EXECUTE format('ALTER TABLE jobs_archive ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                   name, begins, ends);
END
$$;

-- The months of what is deleted first, and a year. Later ones whenever you like: nothing is lost in the rest.
SELECT jobs_archive_month((current_date + month * interval '1 month')::date)
FROM generate_series(-4, 12) AS month;

-- Once a statement, not once a row: retention deletes some dozens of jobs by each.
CREATE FUNCTION jobs_archive_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO jobs_archive (kind, job, finished_at, was)
    SELECT TG_TABLE_NAME,
           coalesce((row ->> 'job_id')::bigint, (row ->> 'id')::bigint),
           coalesce((row ->> 'finished_at')::timestamptz, now()),
           row
    FROM (SELECT to_jsonb(gone) AS row FROM gone) AS rows;
    RETURN NULL;
END
$$;
CREATE TRIGGER jobs_archive AFTER DELETE ON jobs_job
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION jobs_archive_deleted();
CREATE TRIGGER jobs_archive AFTER DELETE ON jobs_attempt
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION jobs_archive_deleted();
