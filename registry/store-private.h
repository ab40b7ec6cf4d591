/* framecache: what the parts of the store share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FCR_STORE_PRIVATE_H
#define FCR_STORE_PRIVATE_H

#include "keeper.h"
#include "store.h"
#include "tracked.h"
#include "watch.h"

G_BEGIN_DECLS

/* A reserved slot of the state file, as the main thread knows it. */
typedef struct
{
  FcrEntry *entry;   /* a copy; NULL: the worker is about to take it in */
  gboolean wanted;   /* its ring is still to be made */
  gboolean busy;     /* the worker has something of it */
  gboolean warned;   /* that it can not be made */
  gint64 gone_since; /* monotonic, us; 0: it is there */
} FcrKept;

struct _FcrStore
{
  GObject parent;

  gchar *dir; /* as it was asked for; NULL: the usual ones */
  gchar *directory;
  guint64 budget;
  guint64 collect_after; /* ns */
  GMainContext *context;

  GHashTable *slots;   /* name: FcrTracked */
  GHashTable *refused; /* name: when that was, of rings that will not do */
  GHashTable *due;     /* names to look at soon */
  GPtrArray *watches;
  GSource *tick;
  GSource *soon;
  guint ticks;
  gboolean full; /* there are more slots than are looked at: that was said */

  FcrKeeper keeper; /* the worker's, once that runs */
  GThreadPool *pool;
  gint stopping;       /* atomic */
  guint in_flight;     /* requests of others */
  gint64 clean_at;     /* monotonic, us: not before that again */
  GHashTable *pending; /* name: bytes planned, of what is being made */
  GHashTable *kept;    /* name: FcrKept */
};

/* store.c ------------------------------------------------------------------ */

/* The slot NAME, after a look at it, or NULL where there is none. */
FcrSlot *fcr_store_look (FcrStore *store, const gchar *name);

/* budget.c ----------------------------------------------------------------- */

/* Sets the bytes that ENTRY may take aside, until its name leaves
 * store->pending. */
gboolean fcr_budget_set_aside (FcrStore *store, const FcrEntry *entry,
                               GError **error);

/* requests.c --------------------------------------------------------------- */

void fcr_requests_init (FcrStore *store);
void fcr_requests_start (FcrStore *store);
/* Ends the worker; what it has not begun is refused. */
void fcr_requests_stop (FcrStore *store);
void fcr_requests_finalize (FcrStore *store);
/* A look at SLOT found it as it is now. */
void fcr_requests_saw (FcrStore *store, const FcrSlot *slot);
/* Once a second; and every ten seconds, beginning with the start. */
void fcr_requests_tick (FcrStore *store);
void fcr_requests_round (FcrStore *store);

G_END_DECLS

#endif /* FCR_STORE_PRIVATE_H */
