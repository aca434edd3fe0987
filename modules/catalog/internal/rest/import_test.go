package rest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	catalogmigrations "stoa/migrations/catalog"
	"stoa/modules/catalog"
	"stoa/modules/catalog/internal/rest"
	"stoa/modules/catalog/internal/service"
	"stoa/platform/auth"
	"stoa/platform/clock"
	"stoa/platform/db"
	"stoa/platform/db/dbtest"
	"stoa/platform/outbox"
	"stoa/platform/web"
	"stoa/platform/web/webtest"
)

// importShop serves a catalogue that imports when it is told to.
type importShop struct {
	*webtest.Server
	staff   *webtest.Client
	service *service.Service
	clock   *clock.Fake
	db      *db.DB
}

func openImportShop(t *testing.T) *importShop {
	t.Helper()
	c := clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), 1)
	d := dbtest.Open(t, catalog.Name, catalogmigrations.FS)
	log := slog.New(slog.DiscardHandler)
	s := service.New(service.Deps{
		DB: d, Outbox: outbox.New(catalog.Name, d, nil, c, log, outbox.Options{}), Clock: c, Log: log,
		Config: service.DefaultConfig(), Shop: service.DefaultShopConfig(),
	})
	server := webtest.New(t, catalog.Name, func(r *web.Router) { rest.Register(r, s) })
	return &importShop{server, server.As("u", auth.RoleStaff), s, c, d}
}

// work imports what is queued.
func (s *importShop) work(t *testing.T) {
	t.Helper()
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { done <- s.service.RunImports(ctx) }()
	s.clock.AwaitTimers(1)
	cancel()
	require.NoError(t, <-done)
}

// stored tells how many pieces of files are stored.
func (s *importShop) stored(t *testing.T) (n int) {
	t.Helper()
	require.NoError(t, s.db.Read().QueryRowContext(t.Context(), `SELECT count(*) FROM import_chunks`).Scan(&n))
	return n
}

const lampFile = "slug,title,sku,price,quantity\nlamp,Lamp,LAMP,69.99,4\nbad,Bad,BAD,x,1\n"

func TestImportsByHTTP(t *testing.T) {
	t.Parallel()
	s := openImportShop(t)
	a := s.staff.Do(t, http.MethodPost, "/catalog/imports?format=csv&currency=EUR", lampFile, "Content-Type", "text/csv; charset=utf-8")
	require.Equal(t, http.StatusAccepted, a.Status, "%s", a.Body)
	var i map[string]any
	a.JSON(t, &i)
	require.Equal(t, "/api/v1/catalog/imports/"+i["id"].(string), a.Header.Get("Location"))
	require.Equal(t, "queued", i["status"])
	require.Equal(t, 1, s.stored(t))
	s.work(t)
	require.Zero(t, s.stored(t))

	a = s.staff.Do(t, http.MethodGet, a.Header.Get("Location"), nil)
	require.Equal(t, http.StatusOK, a.Status, "%s", a.Body)
	id := i["id"]
	i = nil
	a.JSON(t, &i)
	errors := i["errors"].([]any)
	require.Len(t, errors, 1)
	require.Equal(t, []any{3.0, "price"}, []any{errors[0].(map[string]any)["row"], errors[0].(map[string]any)["column"]})
	delete(i, "errors")
	const at = "2026-03-01T12:00:00Z"
	require.Equal(t, map[string]any{
		"id": id, "status": "succeeded", "format": "csv", "mode": "upsert", "currency": "EUR", "dry_run": false,
		"rows_total": 2.0, "rows_done": 2.0, "rows_skipped": 1.0, "products_created": 1.0, "products_updated": 0.0, "products_unchanged": 0.0,
		"errors_total": 1.0, "failure": nil, "created_at": at, "started_at": at, "finished_at": at,
	}, i)

	a = s.staff.Do(t, http.MethodGet, "/catalog/export?format=csv", nil)
	require.Equal(t, http.StatusOK, a.Status)
	require.Equal(t, "text/csv; charset=utf-8", a.Header.Get("Content-Type"))
	require.Equal(t, `attachment; filename=products.csv`, a.Header.Get("Content-Disposition"))
	require.Contains(t, string(a.Body), "lamp,Lamp,")
	a = s.staff.Do(t, http.MethodGet, "/catalog/export?format=json", nil)
	require.Equal(t, "application/json", a.Header.Get("Content-Type"))
	require.True(t, json.Valid(a.Body))
}

func TestAFormBringsAFileToo(t *testing.T) {
	t.Parallel()
	s := openImportShop(t)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", "products.csv")
	require.NoError(t, err)
	_, err = io.WriteString(part, lampFile)
	require.NoError(t, err)
	require.NoError(t, form.Close())
	a := s.staff.Do(t, http.MethodPost, "/catalog/imports?format=csv&dry_run=true&mode=create", body.Bytes(), "Content-Type", form.FormDataContentType())
	require.Equal(t, http.StatusAccepted, a.Status, "%s", a.Body)
	s.work(t)
	var i service.Import
	s.staff.Do(t, http.MethodGet, a.Header.Get("Location"), nil).JSON(t, &i)
	require.EqualValues(t, 1, i.ProductsCreated)
	require.True(t, i.DryRun)
	require.Equal(t, http.StatusNotFound, s.staff.Do(t, http.MethodGet, "/products/lamp", nil).Status)
}

func TestWhatIsNoImportIsRefusedAndLeavesNothing(t *testing.T) {
	t.Parallel()
	s := openImportShop(t)
	post := func(c *webtest.Client, query, file, kind string) webtest.Answer {
		return c.Do(t, http.MethodPost, "/catalog/imports?"+query, file, "Content-Type", kind)
	}
	for _, query := range []string{
		"", "format=", "format=xml", "format=csv&mode=destroy", "format=csv&currency=ZZZ", "format=csv&currency=US", "format=csv&dry_run=perhaps", "format=csv&more=1",
	} {
		a := post(s.staff, query, lampFile, "text/csv")
		require.Equal(t, http.StatusUnprocessableEntity, a.Status, "%s: %s", query, a.Body)
		require.NotEmpty(t, a.Problem(t).Errors)
	}
	for _, file := range []string{"no,such,columns\n", "\xff\xfe", "PK\x03\x04"} {
		a := post(s.staff, "format=csv", file, "text/csv")
		require.Equal(t, http.StatusUnprocessableEntity, a.Status, "%s", a.Body)
		require.Equal(t, "body", a.Problem(t).Errors[0].Location)
	}
	require.Equal(t, http.StatusBadRequest, post(s.staff, "format=csv", "", "text/csv").Status)
	require.Equal(t, http.StatusUnsupportedMediaType, post(s.staff, "format=csv", lampFile, "application/xml").Status)
	require.Equal(t, http.StatusUnsupportedMediaType, post(s.staff, "format=csv", lampFile, "text/csv; charset=latin1").Status)
	require.Equal(t, http.StatusUnauthorized, post(s.Client, "format=csv", lampFile, "text/csv").Status)
	require.Equal(t, http.StatusForbidden, post(s.As("c", auth.RoleCustomer), "format=csv", lampFile, "text/csv").Status)
	large := io.MultiReader(strings.NewReader("title\n"), io.LimitReader(letters{}, 64<<20))
	a := s.staff.Do(t, http.MethodPost, "/catalog/imports?format=csv", large, "Content-Type", "text/csv")
	require.Equal(t, http.StatusRequestEntityTooLarge, a.Status)
	require.Zero(t, s.stored(t))

	require.Equal(t, http.StatusNotFound, s.staff.Do(t, http.MethodGet, "/catalog/imports/x", nil).Status)
	require.Equal(t, http.StatusForbidden, s.As("c", auth.RoleCustomer).Do(t, http.MethodGet, "/catalog/imports/x", nil).Status)
	for _, query := range []string{"", "?format=", "?format=xml", "?format=csv&more=1"} {
		require.Equal(t, http.StatusUnprocessableEntity, s.staff.Do(t, http.MethodGet, "/catalog/export"+query, nil).Status, query)
	}
	require.Equal(t, http.StatusUnauthorized, s.Do(t, http.MethodGet, "/catalog/export?format=csv", nil).Status)
	require.Equal(t, http.StatusForbidden, s.As("c", auth.RoleCustomer).Do(t, http.MethodGet, "/catalog/export?format=csv", nil).Status)
}

// letters is text without an end.
type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}
