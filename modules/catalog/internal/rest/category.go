package rest

import (
	"context"
	"net/http"

	"stoa/modules/catalog"
	"stoa/modules/catalog/internal/service"
	"stoa/platform/errs"
	"stoa/platform/web"
)

type createCategory struct {
	Body struct {
		Slug     string               `json:"slug,omitempty" maxLength:"255" doc:"Unique among its siblings. Made from the name where it is left out."`
		Name     string               `json:"name" minLength:"1" maxLength:"255"`
		ParentID web.Optional[string] `json:"parent_id,omitzero" doc:"null or left out: at the root."`
	}
}

type patchCategory struct {
	ID   string `path:"id"`
	Body struct {
		Slug     web.Optional[string] `json:"slug,omitzero" minLength:"1" maxLength:"255"`
		Name     web.Optional[string] `json:"name,omitzero" minLength:"1" maxLength:"255"`
		ParentID web.Optional[string] `json:"parent_id,omitzero" doc:"Moves it with all that lies below it; null: to the root."`
	}
}

type oneCategory struct {
	ID string `path:"id"`
}

type listCategories struct {
	web.Page
}

type categoryAnswer struct {
	Body catalog.Category
}

type categoryList struct {
	Body web.List[catalog.Category]
}

func (h routes) registerCategories() {
	web.Register(h.router, web.Operation{
		ID: "list-categories", Method: http.MethodGet, Path: "/categories", Summary: "Categories", Description: "In the order of their paths.",
	}, h.listCategories)
	web.Register(h.router, web.Operation{
		ID: "create-category", Method: http.MethodPost, Path: "/categories", Access: web.Staff, Status: http.StatusCreated,
		Summary: "Add a category", Errors: []*errs.Error{catalog.ErrCategoryTaken, catalog.ErrCategoryTooDeep},
	}, h.createCategory)
	web.Register(h.router, web.Operation{
		ID: "update-category", Method: http.MethodPatch, Path: "/categories/{id}", Access: web.Staff, Summary: "Change or move a category",
		Description: "A JSON Merge Patch (RFC 7396). Products stay in it.",
		Errors: []*errs.Error{
			catalog.ErrCategoryNotFound, catalog.ErrCategoryTaken, catalog.ErrCategoryCycle, catalog.ErrCategoryTooDeep,
		},
	}, h.updateCategory)
	web.Register(h.router, web.Operation{
		ID: "delete-category", Method: http.MethodDelete, Path: "/categories/{id}", Access: web.Staff, Summary: "Delete a category",
		Description: "It must be empty.", Errors: []*errs.Error{catalog.ErrCategoryNotFound, catalog.ErrCategoryInUse},
	}, h.deleteCategory)
}

func (h routes) listCategories(ctx context.Context, in *listCategories) (*categoryList, error) {
	cursors := h.router.Cursors("categories")
	var after string
	if err := cursors.Decode(in.Cursor, &after); err != nil {
		return nil, err
	}
	list, err := h.service.ListCategories(ctx, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	body := web.List[catalog.Category]{Items: list}
	if len(list) > in.Limit {
		body.Items = list[:in.Limit]
		body.NextCursor = cursors.Encode(list[in.Limit-1].Path)
	}
	return &categoryList{body}, nil
}

func (h routes) createCategory(ctx context.Context, in *createCategory) (*categoryAnswer, error) {
	c, err := h.service.CreateCategory(ctx, service.NewCategory{Slug: in.Body.Slug, Name: in.Body.Name, ParentID: given(in.Body.ParentID)})
	return category(c, err)
}

func (h routes) updateCategory(ctx context.Context, in *patchCategory) (*categoryAnswer, error) {
	p := service.CategoryPatch{Move: in.Body.ParentID.Set, ParentID: given(in.Body.ParentID)}
	var err error
	if p.Slug, err = kept("slug", in.Body.Slug); err != nil {
		return nil, err
	}
	if p.Name, err = kept("name", in.Body.Name); err != nil {
		return nil, err
	}
	return category(h.service.PatchCategory(ctx, in.ID, p))
}

func (h routes) deleteCategory(ctx context.Context, in *oneCategory) (*struct{}, error) {
	return nil, h.service.DeleteCategory(ctx, in.ID)
}

// category is the answer of a call that gives a category.
func category(c catalog.Category, err error) (*categoryAnswer, error) {
	if err != nil {
		return nil, err
	}
	return &categoryAnswer{c}, nil
}
