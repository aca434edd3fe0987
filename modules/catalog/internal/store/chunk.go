package store

import (
	"context"
	"database/sql"

	"stoa/platform/db"
)

var (
	insertChunk = db.NewStatement(`INSERT INTO import_chunks (import_id, position, chunk) VALUES ($1, $2, $3)`)
	getChunk    = db.NewStatement(`SELECT chunk FROM import_chunks WHERE import_id = $1 AND position = $2`)
	dropChunks  = db.NewStatement(`DELETE FROM import_chunks WHERE import_id = $1 AND position IN (
		SELECT position FROM import_chunks WHERE import_id = $1 ORDER BY position DESC LIMIT $2 + 0)`)
	// Files that no open import is made of, found by looking for one after the
	// other, for each has many rows.
	nextFile  = db.NewStatement(`SELECT import_id FROM import_chunks WHERE import_id > $1 ORDER BY import_id LIMIT 1`)
	openFiles = db.NewStatement(`SELECT id FROM imports WHERE ` + isOpen)
)

// AddChunk adds a piece to the file of an import; the first is 0.
func AddChunk(ctx context.Context, tx *db.Tx, id string, position int64, chunk []byte) error {
	_, err := insertChunk.Exec(ctx, tx, id, position, chunk)
	return err
}

// GetChunk gives a piece of a file; false where there is none.
func GetChunk(ctx context.Context, c db.Conn, id string, position int64) ([]byte, bool, error) {
	var chunk []byte
	ok, err := found(getChunk.QueryRow(ctx, c, id, position).Scan(&chunk))
	return chunk, ok, err
}

// DropChunks drops the last pieces of a file, at most so many, and tells whether
// there may be more.
func DropChunks(ctx context.Context, tx *db.Tx, id string, most int64) (more bool, err error) {
	n, err := db.Affected(dropChunks.Exec(ctx, tx, id, most))
	return n == most, err
}

// StrayFiles gives the ids of files that no open import is made of.
func StrayFiles(ctx context.Context, c db.Conn) ([]string, error) {
	open := map[string]bool{}
	rows, err := openFiles.Query(ctx, c)
	if err := each(rows, err, func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		open[id] = true
		return err
	}); err != nil {
		return nil, err
	}
	var stray []string
	for id := ""; ; {
		if ok, err := found(nextFile.QueryRow(ctx, c, id).Scan(&id)); err != nil || !ok {
			return stray, err
		}
		if !open[id] {
			stray = append(stray, id)
		}
	}
}
