package store

import (
	"context"
	"database/sql"
	"time"

	"stoa/platform/db"
)

// Import is a file that is being imported, waits for it, or has been.
type Import struct {
	ID       string
	Status   string
	Format   string
	Mode     string
	Currency string
	DryRun   bool

	RowsTotal int64
	Progress
	// Failure is why it failed, for people.
	Failure string

	LeasedUntil time.Time // zero where nobody is at it
	CreatedAt   time.Time
	StartedAt   time.Time // zero where it has not begun
	FinishedAt  time.Time // zero where it has not ended
}

// Progress is how far an import is, and what it did.
type Progress struct {
	RowsDone    int64
	RowsSkipped int64 // of products that were refused
	Done        int64 // products of the file that are behind it
	Created     int64
	Updated     int64
	Same        int64
	Errors      int64 // also those that are not kept
}

// The states of an import.
const (
	ImportQueued    = "queued"
	ImportRunning   = "running"
	ImportSucceeded = "succeeded"
	ImportFailed    = "failed"
)

// Open tells whether there is still something to do.
func (i Import) Open() bool { return i.Status == ImportQueued || i.Status == ImportRunning }

// RowError is a cell of a file that will not do.
type RowError struct {
	Row     int64
	Column  string
	Message string
}

const importColumns = `id, status, format, mode, currency, dry_run, rows_total, rows_done, rows_skipped, products_done,
	products_created, products_updated, products_same, errors_total, failure, leased_until, created_at, started_at, finished_at`

const isOpen = `status IN ('queued', 'running')`

var (
	insertImport = db.NewStatement(`INSERT INTO imports (` + importColumns + `, lease)
		VALUES ($1, 'queued', $2, $3, $4, $5, 0, 0, 0, 0, 0, 0, 0, 0, '', NULL, $6, NULL, NULL, '')`)
	getImport  = db.NewStatement(`SELECT ` + importColumns + ` FROM imports WHERE id = $1`)
	nextImport = db.NewStatement(`SELECT ` + importColumns + ` FROM imports WHERE ` + isOpen + ` ORDER BY id LIMIT 1`)
	// Whoever sets the lease has it until leased_until. What it does later
	// takes effect only if it is still its own. One at a time has one at all.
	leaseImport = db.NewStatement(`UPDATE imports SET status = 'running', lease = $2, leased_until = $3, started_at = coalesce(started_at, $4)
		WHERE id = $1 AND ` + isOpen + ` AND (lease = $2 OR leased_until IS NULL OR leased_until <= $4)
		AND NOT EXISTS (SELECT 1 FROM imports o WHERE o.` + isOpen + ` AND o.lease <> $2 AND o.leased_until > $4) RETURNING ` + importColumns)
	returnLease    = db.NewStatement(`UPDATE imports SET lease = '', leased_until = NULL WHERE id = $1 AND lease = $2 AND ` + isOpen)
	setImportTotal = db.NewStatement(`UPDATE imports SET rows_total = $3, leased_until = $4 WHERE id = $1 AND lease = $2 AND ` + isOpen)
	advanceImport  = db.NewStatement(`UPDATE imports SET rows_done = $3, rows_skipped = $4, products_done = $5, products_created = $6,
		products_updated = $7, products_same = $8, errors_total = $9, leased_until = $10 WHERE id = $1 AND lease = $2 AND ` + isOpen)
	endImport = db.NewStatement(`UPDATE imports SET status = $3, failure = $4, finished_at = $5, lease = '', leased_until = NULL
		WHERE id = $1 AND lease = $2 AND ` + isOpen)

	insertImportErrors = newBulk(`INSERT INTO import_errors (import_id, position, row_number, column_name, message)`, "text bigint bigint text text", "")
	listImportErrors   = db.NewStatement(`SELECT row_number, column_name, message FROM import_errors WHERE import_id = $1 ORDER BY position`)
	dropImportErrors   = db.NewStatement(`DELETE FROM import_errors WHERE import_id = $1`)
)

func scanImport(from row) (Import, bool, error) {
	var (
		i                                  Import
		leased, created, started, finished db.Time
	)
	ok, err := found(from.Scan(&i.ID, &i.Status, &i.Format, &i.Mode, &i.Currency, &i.DryRun, &i.RowsTotal, &i.RowsDone, &i.RowsSkipped,
		&i.Done, &i.Created, &i.Updated, &i.Same, &i.Errors, &i.Failure, &leased, &created, &started, &finished))
	i.LeasedUntil, i.CreatedAt, i.StartedAt, i.FinishedAt = leased.Time, created.Time, started.Time, finished.Time
	return i, ok, err
}

// InsertImport adds an import to those that wait.
func InsertImport(ctx context.Context, tx *db.Tx, i Import) error {
	_, err := insertImport.Exec(ctx, tx, i.ID, i.Format, i.Mode, i.Currency, i.DryRun, db.NewTime(i.CreatedAt))
	return err
}

// GetImport gives an import; false where there is none.
func GetImport(ctx context.Context, c db.Conn, id string) (Import, bool, error) {
	return scanImport(getImport.QueryRow(ctx, c, id))
}

// NextImport gives the oldest import that is open; false where none is.
func NextImport(ctx context.Context, c db.Conn) (Import, bool, error) {
	return scanImport(nextImport.QueryRow(ctx, c))
}

// LeaseImport makes an import the lease's own until a time; false where it has
// ended or is another's, or another is at any import.
func LeaseImport(ctx context.Context, tx *db.Tx, id, lease string, now, until time.Time) (Import, bool, error) {
	if err := tx.Lock(ctx, "leases of imports"); err != nil {
		return Import{}, false, err
	}
	return scanImport(leaseImport.QueryRow(ctx, tx, id, lease, db.NewTime(until), db.NewTime(now)))
}

// ReturnLease lets others have the import at once.
func ReturnLease(ctx context.Context, tx *db.Tx, id, lease string) error {
	_, err := returnLease.Exec(ctx, tx, id, lease)
	return err
}

// SetImportTotal records how many rows the file has; false where the import is
// no longer the lease's.
func SetImportTotal(ctx context.Context, tx *db.Tx, id, lease string, rows int64, until time.Time) (bool, error) {
	n, err := db.Affected(setImportTotal.Exec(ctx, tx, id, lease, rows, db.NewTime(until)))
	return n == 1, err
}

// AdvanceImport records how far the import is; false where it is no longer the
// lease's.
func AdvanceImport(ctx context.Context, tx *db.Tx, id, lease string, p Progress, until time.Time) (bool, error) {
	n, err := db.Affected(advanceImport.Exec(ctx, tx, id, lease, p.RowsDone, p.RowsSkipped, p.Done, p.Created, p.Updated, p.Same, p.Errors,
		db.NewTime(until)))
	return n == 1, err
}

// EndImport ends an import; false where it is no longer the lease's. The lease
// "" is nobody's: an import that waits.
func EndImport(ctx context.Context, tx *db.Tx, id, lease, status, failure string, now time.Time) (bool, error) {
	n, err := db.Affected(endImport.Exec(ctx, tx, id, lease, status, failure, db.NewTime(now)))
	return n == 1, err
}

// AddImportErrors keeps bad cells of an import's file; first is how many it has
// already.
func AddImportErrors(ctx context.Context, tx *db.Tx, id string, first int64, list []RowError) error {
	args := make([]any, 0, 5*len(list))
	for i, e := range list {
		args = append(args, id, first+int64(i), e.Row, e.Column, e.Message)
	}
	return insertImportErrors.insert(ctx, tx, args)
}

// ListImportErrors gives the bad cells that were kept, in the order in which
// they were found.
func ListImportErrors(ctx context.Context, c db.Conn, id string) ([]RowError, error) {
	list := []RowError{}
	rows, err := listImportErrors.Query(ctx, c, id)
	err = each(rows, err, func(rows *sql.Rows) error {
		var e RowError
		err := rows.Scan(&e.Row, &e.Column, &e.Message)
		list = append(list, e)
		return err
	})
	return list, err
}

// DropImportErrors forgets the bad cells of an import.
func DropImportErrors(ctx context.Context, tx *db.Tx, id string) error {
	_, err := dropImportErrors.Exec(ctx, tx, id)
	return err
}

var slugsBySKU = newLookup(0, `SELECT v.sku, p.slug FROM variants v JOIN products p ON p.number = v.product WHERE v.sku IN ($in)`)

// SlugsWithSKUs gives the slugs of the products whose variants have these SKUs.
func SlugsWithSKUs(ctx context.Context, c db.Conn, skus []string) (map[string]string, error) {
	slugs := make(map[string]string, len(skus))
	err := slugsBySKU.query(ctx, c, anys(skus), func(rows *sql.Rows) error {
		var sku, slug string
		err := rows.Scan(&sku, &slug)
		slugs[sku] = slug
		return err
	})
	return slugs, err
}
