/* framecache: which slots there are
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The registry without a bus: the slots of a directory, watched; the reserved
 * ones, kept in a file; the budget; the rates. What changes files runs on one
 * worker thread, one thing after the other; all else, signals and callbacks
 * too, on the thread whose main context was the default when the store was
 * made.
 */
#ifndef FCR_STORE_H
#define FCR_STORE_H

#include <gio/gio.h>

#include "fc.h"

G_BEGIN_DECLS

/* The names behind org.framecache.Error., in this order; the last two are told
 * as org.freedesktop.DBus.Error.InvalidArgs and .Failed. */
typedef enum
{
  FCR_ERROR_NOT_FOUND,
  FCR_ERROR_EXISTS,
  FCR_ERROR_BUSY,
  FCR_ERROR_NO_SPACE,
  FCR_ERROR_OVER_BUDGET,
  FCR_ERROR_INVALID_NAME,
  FCR_ERROR_NOT_PERMITTED,
  FCR_ERROR_INVALID_ARGUMENT,
  FCR_ERROR_FAILED
} FcrError;

#define FCR_ERROR fcr_error_quark ()
GQuark fcr_error_quark (void);
/* An error from libfc's -errno, with its sentence. */
void fcr_set_error (GError **error, int r);

/* Whether NAME is a slot's name, whatever bytes it is made of; the same with
 * FCR_ERROR_INVALID_NAME. */
gboolean fcr_is_name (const gchar *name);
gboolean fcr_check_name (const gchar *name, GError **error);

typedef enum
{
  FCR_STATE_RESERVED,
  FCR_STATE_LIVE,
  FCR_STATE_STALLED, /* the writer lives; no frame for two seconds, or for
                        five frames' time where that is longer */
  FCR_STATE_EOS,
  FCR_STATE_LOST
} FcrState;

const gchar *fcr_state_name (FcrState state);

/* A consumer as it was last looked at. */
typedef struct
{
  fc_consumer_stat_t stat;
  guint64 lag; /* frames behind the writer */
} FcrConsumer;

/* A slot as it was last looked at: the store's, read only for others, good
 * until slot-removed has been emitted. */
typedef struct
{
  gchar *name;
  gchar *format; /* "" where it has none yet, or where it is no UTF-8 */
  fc_slot_stat_t stat;
  FcrState state;
  gdouble frame_rate; /* frames/s, steady to three digits */
  gdouble bit_rate;   /* bits/s, the same */
  GArray *consumers;  /* of FcrConsumer */
  gpointer user_data; /* the service's */
} FcrSlot;

typedef struct
{
  const gchar *directory;  /* NULL: the usual ones */
  const gchar *state_file; /* NULL: reserved slots are not kept */
  guint64 budget;          /* bytes of shared memory for slots; 0: no bound */
  guint collect_after;     /* seconds that a dead writer's ring is left for the
                              next one to carry on in */
} FcrStoreOptions;

#define FCR_TYPE_STORE fcr_store_get_type ()
G_DECLARE_FINAL_TYPE (FcrStore, fcr_store, FCR, STORE, GObject)

/* Signals, each with the FcrSlot first:
 *   slot-added (slot)            at once
 *   slot-removed (slot)          at once
 *   slot-changed (slot)          at most once a second, only when something
 *                                other than cursors and counters did; at once
 *                                where the state did
 *   consumer-attached (slot, FcrConsumer *)
 *   consumer-detached (slot, FcrConsumer *)
 *   lapped (slot, guint pid, guint64 dropped)  frames since the last one; each
 *                                of these at most once a second and slot
 */

/* Reads the state file. NULL with ERROR where it, or the directory, will not
 * do: one sentence that names the file and the remedy. */
FcrStore *fcr_store_new (const FcrStoreOptions *options, GError **error);
/* Makes the reserved slots that are missing (asynchronously), takes the first
 * look and begins to watch. */
void fcr_store_start (FcrStore *store);
/* Ends watching and waits for the worker; the state file is up to date. */
void fcr_store_stop (FcrStore *store);

const gchar *fcr_store_directory (FcrStore *store);
guint64 fcr_store_budget (FcrStore *store);
guint64 fcr_store_bytes_used (FcrStore *store); /* planned, of all slots */
guint64 fcr_store_bytes_free (FcrStore *store); /* in the directory's fs */
guint fcr_store_n_slots (FcrStore *store);
FcrSlot *fcr_store_lookup (FcrStore *store, const gchar *name);
/* In the order of their names; the container is the caller's. */
GPtrArray *fcr_store_list (FcrStore *store);
/* Look at one slot now, beyond what the last look told. */
void fcr_store_refresh (FcrStore *store, FcrSlot *slot);

/* What fcr_store_create () with OPTIONS would reserve, and where. */
gboolean fcr_store_plan (FcrStore *store, const fc_writer_options_t *options,
                         fc_plan_t *plan, GError **error);
/* Reserve NAME for OWNER. The name, the numbers, the budget and what the file
 * system has are checked before anything is made. OPTIONS is copied. */
void fcr_store_create (FcrStore *store, const gchar *name,
                       const fc_writer_options_t *options, uid_t owner,
                       GAsyncReadyCallback callback, gpointer user_data);
/* The slot, which slot-added has told of already. */
FcrSlot *fcr_store_create_finish (FcrStore *store, GAsyncResult *result,
                                  GError **error);
void fcr_store_remove (FcrStore *store, const gchar *name, gboolean force,
                       GAsyncReadyCallback callback, gpointer user_data);
gboolean fcr_store_remove_finish (FcrStore *store, GAsyncResult *result,
                                  GError **error);
/* The names of slots of which something was collected, also now: a dead
 * writer's ring that has no consumer is not spared for its age. */
void fcr_store_collect (FcrStore *store, GAsyncReadyCallback callback,
                        gpointer user_data);
GStrv fcr_store_collect_finish (FcrStore *store, GAsyncResult *result,
                                GError **error);

G_END_DECLS

#endif /* FCR_STORE_H */
