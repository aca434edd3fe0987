package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"stoa/modules/catalog"
	"stoa/modules/catalog/internal/format"
	"stoa/modules/catalog/internal/store"
	"stoa/platform/clock"
	"stoa/platform/db"
	"stoa/platform/errs"
	"stoa/platform/money"
)

// ImportOptions say how a file is imported.
type ImportOptions struct {
	// Format is one of those of package format; "" has ImportFile tell by the
	// file what it is.
	Format string
	// Mode is ImportUpsert, also where it is "", or ImportCreate.
	Mode string
	// Currency is that of prices which name none: an ISO 4217 code; "" is shop.currency.
	Currency string
	// DryRun has the file read and held against the shop, and nothing changed.
	DryRun bool
}

// The modes of an import.
const (
	// ImportUpsert makes products that are not there, and changes those that are.
	ImportUpsert = "upsert"
	// ImportCreate makes products that are not there, and refuses those that are.
	ImportCreate = "create"
)

const (
	// importLease is for how long an import is its process's own without a word
	// of it: so long after a crash another may go on.
	importLease = 5 * time.Second
	// importLook is how often is looked for imports that another process left.
	importLook = 5 * time.Second
	// importWatch is how often a command looks how far its import is, where
	// another process is at it.
	importWatch = 200 * time.Millisecond
	// importRetry is how long to wait where the database could not do it.
	importRetry = time.Second
)

// StartImport takes a file, and has it imported in the background. When it
// answers, file and import are on disk. Errors: errs.ErrInvalid where the
// options will not do, or the head of the file shows that it is none of its
// format; errs.ErrUnavailable where it cannot be stored; what file returns.
func (s *Service) StartImport(ctx context.Context, file io.Reader, o ImportOptions) (Import, error) {
	i, err := s.enqueue(ctx, file, "", o)
	if err != nil {
		return Import{}, fmt.Errorf("start import: %w", err)
	}
	select {
	case s.uploads <- struct{}{}:
	default: // it has been woken already
	}
	return reportOf(i, nil), nil
}

// ImportFile imports a file and waits until that is done. Imports before it
// come first, for imports are done one after the other; also those that a
// process left that ended. Where ctx ends, so does the import, and what it has
// done stays. Where the process is killed, the shop goes on with it. Name is
// what the file is called; watch is told how far it is. Errors: those of
// StartImport, and ctx's.
func (s *Service) ImportFile(ctx context.Context, file io.Reader, name string, o ImportOptions, watch func(Import)) (Import, error) {
	queued, err := s.enqueue(ctx, file, name, o)
	if err != nil {
		return Import{}, fmt.Errorf("import: %w", err)
	}
	im := &importer{Service: s, lease: s.clock.ID(), own: queued.ID, advanced: func(i store.Import) {
		if i.ID == queued.ID {
			watch(reportOf(i, nil))
		}
	}}
	for {
		again, err := im.next(ctx)
		var i Import
		if err == nil {
			i, err = s.GetImport(ctx, queued.ID)
		}
		if err == nil {
			watch(i)
			if i.FinishedAt != nil {
				return i, nil
			}
			if !again {
				err = clock.Sleep(ctx, s.clock, importWatch)
			}
		}
		if err != nil {
			return Import{}, errors.Join(fmt.Errorf("import: %w", err), s.withdraw(context.WithoutCancel(ctx), queued.ID))
		}
	}
}

// withdraw ends an import that nobody is at.
func (s *Service) withdraw(ctx context.Context, id string) error {
	var (
		i     store.Import
		ended bool
	)
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		if i, _, err = store.GetImport(ctx, tx, id); err != nil {
			return err
		}
		ended, err = store.EndImport(ctx, tx, id, "", store.ImportFailed, "it was stopped; what was imported until then stays", s.clock.Now())
		return err
	})
	if err != nil {
		return fmt.Errorf("withdraw import: %w", err)
	}
	if ended {
		s.removeFile(ctx, i)
	}
	return nil
}

// GetImport tells how far an import is. Errors: catalog.ErrImportNotFound.
func (s *Service) GetImport(ctx context.Context, id string) (Import, error) {
	var report Import
	err := s.db.Snapshot(ctx, func(ctx context.Context, c db.Conn) error {
		i, ok, err := store.GetImport(ctx, c, id)
		if err != nil {
			return err
		}
		if !ok {
			return catalog.ErrImportNotFound
		}
		list, err := store.ListImportErrors(ctx, c, id)
		report = reportOf(i, list)
		return err
	})
	if err != nil {
		return Import{}, fmt.Errorf("get import: %w", err)
	}
	return report, nil
}

// RunImports imports what is sent, one file after the other and the oldest
// first, until ctx ends. Imports that were cut short go on where they stopped.
func (s *Service) RunImports(ctx context.Context) error {
	if err := s.sweepFiles(ctx); err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "files of imports that are over are not removed", "error", err)
	}
	im := &importer{Service: s, lease: s.clock.ID(), advanced: func(store.Import) {}}
	for ctx.Err() == nil {
		again, err := im.next(ctx)
		switch {
		case err == nil && again:
			continue
		case err != nil && ctx.Err() == nil:
			s.log.WarnContext(ctx, "an import waits", "error", err)
			_ = clock.Sleep(ctx, s.clock, importRetry) // where ctx ends, so does the loop
			continue
		}
		timer := s.clock.NewTimer(importLook)
		select {
		case <-s.uploads:
		case <-timer.C():
		case <-ctx.Done():
		}
		timer.Stop()
	}
	return nil
}

// enqueue stores a file and the import of it.
func (s *Service) enqueue(ctx context.Context, file io.Reader, name string, o ImportOptions) (store.Import, error) {
	i := store.Import{
		ID: s.clock.ID(), Status: store.ImportQueued, Format: o.Format, Mode: o.Mode, Currency: o.Currency, DryRun: o.DryRun,
		CreatedAt: s.clock.Now(),
	}
	if i.Mode == "" {
		i.Mode = ImportUpsert
	}
	if i.Currency == "" {
		i.Currency = s.shop.Currency
	}
	if err := checkImport(i, name != ""); err != nil {
		return store.Import{}, err
	}
	if err := s.storeFile(ctx, i.ID, file); err != nil {
		return store.Import{}, err
	}
	err := s.checkHead(ctx, &i, name)
	if err == nil {
		err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return store.InsertImport(ctx, tx, i) })
	}
	if err != nil {
		s.removeFile(context.WithoutCancel(ctx), i)
		return store.Import{}, err
	}
	return i, nil
}

// checkImport says which options will not do. Errors: errs.ErrInvalid.
func checkImport(i store.Import, guess bool) error {
	invalid := errs.ErrInvalid
	if !format.Format(i.Format).Valid() && (i.Format != "" || !guess) {
		invalid = invalid.Field("query.format", "must be one of %s", joinFormats())
	}
	if i.Mode != ImportUpsert && i.Mode != ImportCreate {
		invalid = invalid.Field("query.mode", "must be %s or %s", ImportUpsert, ImportCreate)
	}
	if !money.ValidCurrency(i.Currency) {
		invalid = invalid.Field("query.currency", "is no currency of ISO 4217 that prices can be in")
	}
	if len(invalid.Fields) > 0 {
		return invalid
	}
	return nil
}

func joinFormats() string {
	var names []string
	for _, f := range format.Formats() {
		names = append(names, string(f))
	}
	return strings.Join(names, ", ")
}

// checkHead holds the beginning of a stored file against its format, or tells
// the format by it. Errors: errs.ErrInvalid.
func (s *Service) checkHead(ctx context.Context, i *store.Import, name string) error {
	candidates := []format.Format{format.Format(i.Format)}
	if i.Format == "" {
		candidates = guess(name)
	}
	var said []string
	for _, f := range candidates {
		err := s.tryHead(ctx, i, f)
		if err == nil {
			i.Format = string(f)
			return nil
		}
		var refused *format.FileError
		if !errors.As(err, &refused) {
			return err
		}
		said = append(said, refused.Error())
	}
	if len(slices.Compact(said)) > 1 {
		return errs.ErrInvalid.Field("query.format", "cannot be told by the file; it is one of %s", joinFormats())
	}
	return errs.ErrInvalid.Field("body", "is not of the format %s: %s", candidates[0], said[0])
}

func (s *Service) tryHead(ctx context.Context, i *store.Import, f format.Format) error {
	_, err := format.NewReader(f, s.openFile(ctx, i.ID), format.Options{Currency: i.Currency})
	return err
}

// guess gives the formats that a file of a name may have, the likeliest first.
// A table is tried as the plain one first, for that refuses columns it does not
// know, while Shopify's ignores them.
func guess(name string) []format.Format {
	if strings.EqualFold(filepath.Ext(name), ".json") {
		return []format.Format{format.JSON}
	}
	if strings.EqualFold(filepath.Ext(name), ".csv") {
		return []format.Format{format.CSV, format.Shopify}
	}
	return []format.Format{format.JSON, format.CSV, format.Shopify}
}
