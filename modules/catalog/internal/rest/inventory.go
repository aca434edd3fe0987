package rest

import (
	"context"
	"net/http"

	"stoa/modules/catalog"
	"stoa/modules/catalog/internal/service"
	"stoa/platform/errs"
	"stoa/platform/web"
)

type oneSKU struct {
	SKU string `path:"sku"`
}

type adjustStock struct {
	SKU  string `path:"sku"`
	Body struct {
		Delta  int64  `json:"delta" minimum:"-1000000000" maximum:"1000000000" doc:"How many come (or, below 0, go). Not 0."`
		Reason string `json:"reason" maxLength:"500"`
	}
}

type listMovements struct {
	web.Page
	SKU string `path:"sku"`
}

type inventoryAnswer struct {
	Body service.Inventory
}

type adjustmentAnswer struct {
	Body service.Adjustment
}

type movementList struct {
	Body web.List[service.Movement]
}

func (h routes) registerInventory() {
	unknown := []*errs.Error{catalog.ErrVariantNotFound}
	web.Register(h.router, web.Operation{
		ID: "get-inventory", Method: http.MethodGet, Path: "/inventory/{sku}", Access: web.Staff,
		Summary: "How many of a variant there are", Errors: unknown,
	}, h.getInventory)
	web.Register(h.router, web.Operation{
		ID: "adjust-inventory", Method: http.MethodPost, Path: "/inventory/{sku}/adjustments", Access: web.Staff, Status: http.StatusCreated,
		Idempotent: true, Summary: "Adjust how many of a variant there are", Description: "Answers the line in the ledger, and what there is after it.",
		Errors: []*errs.Error{catalog.ErrVariantNotFound, catalog.ErrInsufficientStock},
	}, h.adjustStock)
	web.Register(h.router, web.Operation{
		ID: "list-movements", Method: http.MethodGet, Path: "/inventory/{sku}/movements", Access: web.Staff,
		Summary: "The ledger of a variant", Description: "The newest line first. The sum of all is what is on hand.", Errors: unknown,
	}, h.listMovements)
}

func (h routes) getInventory(ctx context.Context, in *oneSKU) (*inventoryAnswer, error) {
	inventory, err := h.service.GetInventory(ctx, in.SKU)
	if err != nil {
		return nil, err
	}
	return &inventoryAnswer{inventory}, nil
}

func (h routes) adjustStock(ctx context.Context, in *adjustStock) (*adjustmentAnswer, error) {
	adjustment, err := h.service.Adjust(ctx, in.SKU, in.Body.Delta, in.Body.Reason)
	if err != nil {
		return nil, err
	}
	return &adjustmentAnswer{adjustment}, nil
}

func (h routes) listMovements(ctx context.Context, in *listMovements) (*movementList, error) {
	cursors := h.router.Cursors("movements", in.SKU)
	var before string
	if err := cursors.Decode(in.Cursor, &before); err != nil {
		return nil, err
	}
	lines, err := h.service.ListMovements(ctx, in.SKU, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	body := web.List[service.Movement]{Items: lines}
	if len(lines) > in.Limit {
		body.Items = lines[:in.Limit]
		body.NextCursor = cursors.Encode(lines[in.Limit-1].ID)
	}
	return &movementList{body}, nil
}
