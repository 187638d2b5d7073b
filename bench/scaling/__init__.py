"""What one PostgreSQL carries: many workers, millions of finished jobs, PgBouncer, old snapshots."""
