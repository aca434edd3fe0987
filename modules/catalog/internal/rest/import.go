package rest

import (
	"context"
	"io"
	"net/http"
	"time"

	"stoa/modules/catalog"
	"stoa/modules/catalog/internal/service"
	"stoa/platform/errs"
	"stoa/platform/web"
)

const (
	// importLimit is the size of the largest file, in bytes.
	importLimit = 64 << 20
	// transferTime is how long a file may take to arrive, or to be sent.
	transferTime = 10 * time.Minute

	csvType  = "text/csv"
	jsonType = "application/json"
)

type startImport struct {
	Format   string `query:"format" required:"true" enum:"shopify,json,csv" doc:"shopify is the product CSV of Shopify, csv a table with a row for each variant, json an object {\"products\": […]}."`
	Mode     string `query:"mode" enum:"upsert,create" default:"upsert" doc:"upsert makes products that are not there and changes those that are, known by their slugs; create refuses those that are."`
	Currency string `query:"currency" minLength:"3" maxLength:"3" doc:"ISO 4217, of prices that name none. Default: shop.currency."`
	DryRun   bool   `query:"dry_run" default:"false" doc:"Tells what would happen, and changes nothing."`
}

type startedImport struct {
	Location string `header:"Location"`
	Body     service.Import
}

type oneImport struct {
	ID string `path:"id"`
}

type importAnswer struct {
	Body service.Import
}

type export struct {
	Format string `query:"format" required:"true" enum:"shopify,json,csv"`
}

// registerImports adds what reads files of a catalogue.
func registerImports(r *web.Router, s *service.Service) {
	web.Register(r, web.Operation{
		ID: "start-import", Method: http.MethodPost, Path: "/catalog/imports", Access: web.Staff, Status: http.StatusAccepted,
		Summary: "Import a file of products",
		Description: "The file is the body, or the part `file` of a form. It is imported in the background, after those before it; " +
			"Location tells how far it is. What the file says nothing of stays as it is: columns that are missing, and variants that are not named. " +
			"A quantity sets what is on hand. A product with a bad cell is refused as a whole, and the others are imported.",
		BodyLimit: importLimit, Timeout: transferTime, Upload: []string{csvType, jsonType},
	}, func(ctx context.Context, in *startImport) (*startedImport, error) {
		file, err := web.OpenUpload(ctx)
		if err != nil {
			return nil, err
		}
		i, err := s.StartImport(ctx, file, service.ImportOptions{Format: in.Format, Mode: in.Mode, Currency: in.Currency, DryRun: in.DryRun})
		if err != nil {
			return nil, err
		}
		return &startedImport{Location: location("catalog", "imports", i.ID), Body: i}, nil
	})
	web.Register(r, web.Operation{
		ID: "get-import", Method: http.MethodGet, Path: "/catalog/imports/{id}", Access: web.Staff,
		Summary: "How far an import is", Errors: []*errs.Error{catalog.ErrImportNotFound},
	}, func(ctx context.Context, in *oneImport) (*importAnswer, error) {
		i, err := s.GetImport(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		return &importAnswer{Body: i}, nil
	})
}

// registerExport adds what writes files of a catalogue.
func registerExport(r *web.Router, s *service.Service) {
	web.Register(r, web.Operation{
		ID: "export-catalog", Method: http.MethodGet, Path: "/catalog/export", Access: web.Staff,
		Summary:     "The catalogue as a file",
		Description: "All products of all states, ordered by slug, without ids and times. An import reads it back to the same catalogue.",
		Timeout:     transferTime, Download: []string{csvType, jsonType},
	}, func(_ context.Context, in *export) (*web.Download, error) {
		kind, name, err := service.ExportFile(in.Format)
		if err != nil {
			return nil, err
		}
		return web.Stream(kind, name, func(ctx context.Context, w io.Writer) error {
			return s.Export(ctx, in.Format, w)
		}), nil
	})
}
