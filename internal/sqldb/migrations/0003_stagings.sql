-- Large changes of a channel are written in many short transactions under a
-- generation that is still to come, and become visible by one row: as long as
-- their staging stands in the table stagings, their rows are left out of the views
-- files, packages and releases, which have the names that the tables had. What
-- reads asks the views; what writes, and what must see everything, the tables.

-- +goose Up

CREATE TABLE stagings (
    id         TEXT PRIMARY KEY,
    channel_id TEXT NOT NULL UNIQUE REFERENCES channels (id),
    generation BIGINT NOT NULL, -- the one that it will be; reserved
    cause      TEXT NOT NULL, -- "import"
    subject    TEXT NOT NULL, -- what is being written: a later try of the same goes on with it
    held_until TIMESTAMP NOT NULL, -- whoever writes renews this
    begun_at   TIMESTAMP NOT NULL
);

-- Packages whose files a large change has brought or taken, and which do not yet
-- say so.
CREATE TABLE untold_packages (
    package_id TEXT PRIMARY KEY
);

-- What an import has read of a subdir of its source: a later one passes over what
-- is still the same and was not touched here since.
CREATE TABLE import_marks (
    channel_id TEXT NOT NULL REFERENCES channels (id),
    subdir     TEXT NOT NULL,
    source     TEXT NOT NULL,
    generation BIGINT NOT NULL, -- of the channel when the import looked at it
    own        BIGINT NOT NULL, -- the generation that the import made, or 0
    marks      BYTEA NOT NULL,
    PRIMARY KEY (channel_id, subdir)
);

-- The generation that a staging has reserved: others come before it.
ALTER TABLE channels ADD COLUMN reserved BIGINT;

DROP INDEX files_package;
-- Only bytes that are here are looked for; the index of all is what an import
-- would write all over.
DROP INDEX files_sha256;
ALTER TABLE files RENAME TO file_rows;
ALTER TABLE packages RENAME TO package_rows;
ALTER TABLE releases RENAME TO release_rows;
ALTER TABLE file_rows ADD COLUMN staging TEXT;
ALTER TABLE package_rows ADD COLUMN staging TEXT;
ALTER TABLE release_rows ADD COLUMN staging TEXT;
CREATE INDEX files_stored ON file_rows (sha256) WHERE stored;
CREATE INDEX files_package ON file_rows (package_id, deleted_at, version, uploaded_at, id, type, subdir, license, staging);

-- Imports that were under way, or died, go on as stagings.
INSERT INTO stagings (id, channel_id, generation, cause, subject, held_until, begun_at)
    SELECT 'import-' || id, id, generation + 100000, 'import', source, importing_until, importing_until
    FROM channels WHERE importing_until IS NOT NULL;
UPDATE file_rows SET staging = (SELECT s.id FROM records r JOIN stagings s ON s.channel_id = r.channel_id WHERE r.file_id = file_rows.id)
    WHERE id IN (SELECT r.file_id FROM records r JOIN channels c ON c.id = r.channel_id WHERE c.importing_until IS NOT NULL AND r.added > c.generation)
    AND NOT EXISTS (SELECT 1 FROM records o JOIN channels c ON c.id = o.channel_id WHERE o.file_id = file_rows.id AND (c.importing_until IS NULL OR o.added <= c.generation));
UPDATE records SET added = (SELECT s.generation FROM stagings s WHERE s.channel_id = records.channel_id)
    WHERE channel_id IN (SELECT channel_id FROM stagings)
    AND added > (SELECT c.generation FROM channels c WHERE c.id = records.channel_id);
UPDATE channels SET reserved = generation + 100000 WHERE importing_until IS NOT NULL;
ALTER TABLE channels DROP COLUMN importing_until;

CREATE VIEW files AS SELECT * FROM file_rows WHERE staging IS NULL OR staging NOT IN (SELECT id FROM stagings);
CREATE VIEW packages AS SELECT * FROM package_rows WHERE staging IS NULL OR staging NOT IN (SELECT id FROM stagings);
CREATE VIEW releases AS SELECT * FROM release_rows WHERE staging IS NULL OR staging NOT IN (SELECT id FROM stagings);
