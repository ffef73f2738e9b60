-- What an upload writes beside its bytes: each index costs it a page in the log
-- and, sooner or later, one in the database. These are gone:
-- packages_released served one order of the list of packages; the others are
-- sorted when asked for, too. files_stored served the sweep of bytes, which reads
-- all rows anyway.
-- files_basename keeps names apart that files_conda_name does not.
-- records_live repeated the key of records but for the name, which a file's name
-- begins with; that a channel lists a file name once is kept by the lock of its
-- generation and looked after by fsck.

-- +goose Up

DROP INDEX packages_released;
DROP INDEX files_stored;
DROP INDEX files_basename;
CREATE UNIQUE INDEX files_basename ON file_rows (release_id, basename) WHERE deleted_at IS NULL AND type <> 'conda';
DROP INDEX records_live;
