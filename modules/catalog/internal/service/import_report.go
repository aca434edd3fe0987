package service

import (
	"time"

	"stoa/modules/catalog/internal/store"
)

// MaxImportErrors is how many bad cells of a file are kept and told.
const MaxImportErrors = 1000

// Import is how far an import is, and what it did.
type Import struct {
	ID                string      `json:"id" format:"uuid"`
	Status            string      `json:"status" enum:"queued,running,succeeded,failed" doc:"It has succeeded when the file was read to its end, also where rows were refused."`
	Format            string      `json:"format" enum:"shopify,json,csv"`
	Mode              string      `json:"mode" enum:"upsert,create"`
	Currency          string      `json:"currency" doc:"of prices which name none"`
	DryRun            bool        `json:"dry_run"`
	RowsTotal         int64       `json:"rows_total" doc:"rows that are not blank, without the header; of a JSON file, its products; 0 until they are counted"`
	RowsDone          int64       `json:"rows_done"`
	ProductsCreated   int64       `json:"products_created"`
	ProductsUpdated   int64       `json:"products_updated" doc:"also those of which only the stock changed"`
	ProductsUnchanged int64       `json:"products_unchanged"`
	RowsSkipped       int64       `json:"rows_skipped" doc:"rows of products that were refused"`
	Errors            []ImportRow `json:"errors" doc:"why rows were refused, the first 1,000"`
	ErrorsTotal       int64       `json:"errors_total"`
	Failure           *string     `json:"failure" doc:"why the import failed; null otherwise"`
	CreatedAt         time.Time   `json:"created_at"`
	StartedAt         *time.Time  `json:"started_at"`
	FinishedAt        *time.Time  `json:"finished_at"`
}

// ImportRow says what is wrong with a cell of a file.
type ImportRow struct {
	Row     int64  `json:"row" doc:"as a spreadsheet numbers it, the header being 1; in a JSON file, the number of the product"`
	Column  string `json:"column" doc:"the column as the file names it, or in JSON the path of the member; empty where the whole row is meant"`
	Message string `json:"message"`
}

func reportOf(i store.Import, list []store.RowError) Import {
	report := Import{
		ID: i.ID, Status: i.Status, Format: i.Format, Mode: i.Mode, Currency: i.Currency, DryRun: i.DryRun,
		RowsTotal: i.RowsTotal, RowsDone: i.RowsDone, RowsSkipped: i.RowsSkipped,
		ProductsCreated: i.Created, ProductsUpdated: i.Updated, ProductsUnchanged: i.Same,
		Errors: make([]ImportRow, len(list)), ErrorsTotal: i.Errors,
		CreatedAt: i.CreatedAt, StartedAt: orNil(i.StartedAt), FinishedAt: orNil(i.FinishedAt),
	}
	for n, e := range list {
		report.Errors[n] = ImportRow(e)
	}
	if i.Failure != "" {
		report.Failure = &i.Failure
	}
	return report
}

// orNil gives a time, nil where there is none.
func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
