/* framecache: what the store is asked for, and its worker
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <unistd.h>

#include "store-private.h"

/* Requests of others that may wait for the worker. */
#define REQUESTS_MAX 64u
/* A reserved slot whose ring went was removed by somebody; but a writer that
 * must make room takes its old ring away a moment before it makes its new one.
 */
#define GRACE_US (5 * G_USEC_PER_SEC)
/* Collecting looks at every file of every slot: of thousands, that takes long,
 * and is done as rarely as it takes for one part in so many of a core. */
#define CLEAN_SHARE 50

typedef enum
{
  REQUEST_CREATE,
  REQUEST_REMOVE,
  REQUEST_COLLECT,
  /* The store's own: */
  REQUEST_RECOVER,
  REQUEST_MAKE,
  REQUEST_ADOPT,
  REQUEST_FORGET,
  REQUEST_CLEAN
} RequestKind;

typedef struct
{
  RequestKind kind;
  FcrStore *store; /* a reference */
  GTask *task;     /* of others' requests */
  gchar *name;
  FcrEntry *entry; /* CREATE: as asked for; ADOPT: as it came to be */
  gboolean force;
  gboolean done;
  gint64 took; /* CLEAN: us */
  GStrv names;
  GError *error;
} Request;

static void
request_free (Request *request)
{
  g_clear_object (&request->task);
  g_clear_error (&request->error);
  g_strfreev (request->names);
  fcr_entry_free (request->entry);
  g_free (request->name);
  g_object_unref (request->store);
  g_free (request);
}

/* Kept --------------------------------------------------------------------- */

static void
kept_free (FcrKept *kept)
{
  fcr_entry_free (kept->entry);
  g_free (kept);
}

/* Takes ENTRY, which may be NULL. */
static FcrKept *
keep (FcrStore *store, const gchar *name, FcrEntry *entry)
{
  FcrKept *kept = g_new0 (FcrKept, 1);

  kept->entry = entry;
  g_hash_table_replace (store->kept, g_strdup (name), kept);
  return kept;
}

/* The worker --------------------------------------------------------------- */

static void
adopt (FcrKeeper *keeper, Request *request)
{
  const FcrEntry *entry;

  request->done = fcr_keeper_adopt (keeper, request->name, &request->error);
  entry = fcr_state_file_lookup (keeper->file, request->name);
  if (entry != NULL)
    request->entry = fcr_entry_copy (entry);
}

static void
work_on (FcrStore *store, Request *request)
{
  FcrKeeper *keeper = &store->keeper;
  GError **error = &request->error;

  switch (request->kind)
    {
    case REQUEST_CREATE:
      request->done
          = fcr_keeper_create (keeper, fcr_entry_copy (request->entry), error);
      break;
    case REQUEST_REMOVE:
      request->done
          = fcr_keeper_remove (keeper, request->name, request->force, error);
      break;
    case REQUEST_COLLECT:
      request->names = fcr_keeper_collect (keeper, error);
      break;
    case REQUEST_RECOVER:
      fcr_keeper_recover (keeper);
      break;
    case REQUEST_MAKE:
      request->done = fcr_keeper_make (keeper, request->name, error);
      break;
    case REQUEST_ADOPT:
      adopt (keeper, request);
      break;
    case REQUEST_FORGET:
      request->done = fcr_keeper_forget (keeper, request->name, error);
      break;
    case REQUEST_CLEAN:
      request->took = -g_get_monotonic_time ();
      (void) fc_slot_gc (store->dir, NULL, store->collect_after);
      request->took += g_get_monotonic_time ();
      break;
    }
}

static gboolean complete (gpointer data);

static void
work (gpointer data, gpointer user_data)
{
  FcrStore *store = user_data;
  Request *request = data;
  g_autoptr (GSource) source = g_idle_source_new ();

  /* What is quick, and of the state file, is still done at the end. */
  if (g_atomic_int_get (&store->stopping) && request->kind != REQUEST_RECOVER
      && request->kind != REQUEST_ADOPT && request->kind != REQUEST_FORGET)
    g_set_error (&request->error, FCR_ERROR, FCR_ERROR_BUSY,
                 "the registry is ending; try again when it runs");
  else
    work_on (store, request);
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, complete, request, NULL);
  g_source_attach (source, store->context);
}

static Request *
request_new (FcrStore *store, RequestKind kind, const gchar *name)
{
  Request *request = g_new0 (Request, 1);

  request->kind = kind;
  request->store = g_object_ref (store);
  request->name = g_strdup (name);
  return request;
}

static void
push (Request *request)
{
  FcrStore *store = request->store;

  if (store->pool != NULL)
    g_thread_pool_push (store->pool, request, NULL);
  else
    request_free (request);
}

/* What came of it ---------------------------------------------------------- */

static void
created (FcrStore *store, Request *request)
{
  g_hash_table_remove (store->pending, request->name);
  if (!request->done)
    return;
  keep (store, request->name, g_steal_pointer (&request->entry));
  (void) fcr_store_look (store, request->name);
}

static void
removed (FcrStore *store, Request *request)
{
  if (!request->done)
    return;
  g_hash_table_remove (store->kept, request->name);
  (void) fcr_store_look (store, request->name);
}

static void
made (FcrStore *store, Request *request)
{
  FcrKept *kept = g_hash_table_lookup (store->kept, request->name);

  g_hash_table_remove (store->pending, request->name);
  if (kept != NULL)
    kept->busy = FALSE;
  if (request->done)
    (void) fcr_store_look (store, request->name);
  else if (kept != NULL && !kept->warned && store->pool != NULL)
    {
      g_warning ("slot %s, which is reserved, could not be made; it is tried "
                 "again: %s",
                 request->name, request->error->message);
      kept->warned = TRUE;
    }
}

static void
adopted (FcrStore *store, Request *request)
{
  if (request->error != NULL)
    g_warning ("%s", request->error->message);
  if (request->entry != NULL)
    keep (store, request->name, g_steal_pointer (&request->entry));
  else
    g_hash_table_remove (store->kept, request->name);
}

static void
forgotten (FcrStore *store, Request *request)
{
  FcrKept *kept = g_hash_table_lookup (store->kept, request->name);

  if (request->error != NULL)
    g_warning ("%s", request->error->message);
  if (kept == NULL)
    return;
  kept->busy = FALSE;
  kept->gone_since = 0;
  if (request->done)
    g_hash_table_remove (store->kept, request->name);
}

static void
answer (FcrStore *store, Request *request)
{
  store->in_flight--;
  if (request->error != NULL)
    g_task_return_error (request->task, g_steal_pointer (&request->error));
  else if (request->kind == REQUEST_COLLECT)
    g_task_return_pointer (request->task, g_steal_pointer (&request->names),
                           (GDestroyNotify) g_strfreev);
  else
    g_task_return_boolean (request->task, TRUE);
}

static gboolean
complete (gpointer data)
{
  Request *request = data;
  FcrStore *store = request->store;

  switch (request->kind)
    {
    case REQUEST_CREATE:
      created (store, request);
      break;
    case REQUEST_REMOVE:
      removed (store, request);
      break;
    case REQUEST_MAKE:
      made (store, request);
      break;
    case REQUEST_ADOPT:
      adopted (store, request);
      break;
    case REQUEST_FORGET:
      forgotten (store, request);
      break;
    case REQUEST_CLEAN:
      store->clean_at = g_get_monotonic_time () + CLEAN_SHARE * request->took;
      break;
    case REQUEST_COLLECT:
    case REQUEST_RECOVER:
      break;
    }
  if (request->task != NULL)
    answer (store, request);
  request_free (request);
  return G_SOURCE_REMOVE;
}

/* The store's own ---------------------------------------------------------- */

void
fcr_requests_init (FcrStore *store)
{
  g_autoptr (GPtrArray) entries = fcr_state_file_entries (store->keeper.file);

  store->pending
      = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  store->kept = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                       (GDestroyNotify) kept_free);
  for (guint i = 0; i < entries->len; i++)
    {
      const FcrEntry *entry = entries->pdata[i];

      if (!entry->removing)
        keep (store, entry->name, fcr_entry_copy (entry))->wanted = TRUE;
    }
}

void
fcr_requests_start (FcrStore *store)
{
  store->pool = g_thread_pool_new (work, store, 1, TRUE, NULL);
  push (request_new (store, REQUEST_RECOVER, NULL));
}

void
fcr_requests_stop (FcrStore *store)
{
  GThreadPool *pool = g_steal_pointer (&store->pool);

  g_atomic_int_set (&store->stopping, TRUE);
  if (pool != NULL)
    g_thread_pool_free (pool, FALSE, TRUE);
}

void
fcr_requests_finalize (FcrStore *store)
{
  g_clear_pointer (&store->pending, g_hash_table_unref);
  g_clear_pointer (&store->kept, g_hash_table_unref);
  g_clear_pointer (&store->keeper.file, fcr_state_file_close);
}

/* Another user's slot is that user's to keep: it could not be made again here.
 */
static gboolean
may_keep (const fc_slot_stat_t *stat)
{
  return geteuid () == 0 || stat->owner == geteuid ();
}

void
fcr_requests_saw (FcrStore *store, const FcrSlot *slot)
{
  FcrKept *kept = g_hash_table_lookup (store->kept, slot->name);

  if (!slot->stat.reserved || !may_keep (&slot->stat)
      || (kept != NULL && kept->busy)
      || g_hash_table_contains (store->pending, slot->name))
    return;
  if (kept != NULL && fcr_entry_is (kept->entry, &slot->stat))
    {
      kept->wanted = kept->warned = FALSE;
      kept->gone_since = 0;
      return;
    }
  keep (store, slot->name, NULL)->busy = TRUE;
  push (request_new (store, REQUEST_ADOPT, slot->name));
}

void
fcr_requests_tick (FcrStore *store)
{
  gint64 now = g_get_monotonic_time ();
  GHashTableIter iter;
  gpointer name, value;

  g_hash_table_iter_init (&iter, store->kept);
  while (g_hash_table_iter_next (&iter, &name, &value))
    {
      const FcrSlot *slot = fcr_store_lookup (store, name);
      FcrKept *kept = value;

      if (kept->wanted || kept->busy || (slot != NULL && slot->stat.reserved))
        continue;
      if (kept->gone_since == 0)
        kept->gone_since = now;
      if (now - kept->gone_since < GRACE_US)
        continue;
      kept->busy = TRUE;
      push (request_new (store, REQUEST_FORGET, name));
    }
}

static void
make (FcrStore *store, const gchar *name, FcrKept *kept)
{
  g_autoptr (GError) error = NULL;

  if (fcr_budget_set_aside (store, kept->entry, &error))
    {
      kept->busy = TRUE;
      push (request_new (store, REQUEST_MAKE, name));
      return;
    }
  if (!kept->warned)
    g_warning ("slot %s, which is reserved, is not made for now: %s", name,
               error->message);
  kept->warned = TRUE;
}

void
fcr_requests_round (FcrStore *store)
{
  GHashTableIter iter;
  gpointer name, value;

  g_hash_table_iter_init (&iter, store->kept);
  while (g_hash_table_iter_next (&iter, &name, &value))
    {
      FcrKept *kept = value;

      if (kept->wanted && !kept->busy)
        make (store, name, kept);
    }
  if (g_get_monotonic_time () < store->clean_at)
    return;
  store->clean_at = G_MAXINT64;
  push (request_new (store, REQUEST_CLEAN, NULL));
}

/* Others' ------------------------------------------------------------------ */

static gboolean
may_ask (FcrStore *store, GError **error)
{
  if (store->pool == NULL)
    g_set_error (error, FCR_ERROR, FCR_ERROR_BUSY,
                 "the registry does not run; try again when it does");
  else if (store->in_flight >= REQUESTS_MAX)
    g_set_error (error, FCR_ERROR, FCR_ERROR_BUSY,
                 "%u requests are being worked on, which is the limit; try "
                 "again in a moment",
                 store->in_flight);
  else
    return TRUE;
  return FALSE;
}

static gboolean
may_create (FcrStore *store, const FcrEntry *entry, GError **error)
{
  if (!may_ask (store, error) || !fcr_check_name (entry->name, error))
    return FALSE;
  if (fcr_store_lookup (store, entry->name) != NULL
      || g_hash_table_contains (store->pending, entry->name))
    {
      g_set_error (error, FCR_ERROR, FCR_ERROR_EXISTS,
                   "slot %s exists already; remove it first, or use another "
                   "slot name",
                   entry->name);
      return FALSE;
    }
  return fcr_budget_set_aside (store, entry, error);
}

/* Takes TASK, and ERROR where there is one. */
static void
ask (Request *request, GTask *task, GError *error)
{
  if (error != NULL)
    {
      g_task_return_error (task, error);
      g_object_unref (task);
      request_free (request);
      return;
    }
  request->task = task;
  request->store->in_flight++;
  push (request);
}

static GTask *
task_new (FcrStore *store, gpointer tag, const gchar *name,
          GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (store, NULL, callback, user_data);

  g_task_set_source_tag (task, tag);
  g_task_set_task_data (task, g_strdup (name), g_free);
  return task;
}

void
fcr_store_create (FcrStore *store, const gchar *name,
                  const fc_writer_options_t *options, uid_t owner,
                  GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = task_new (store, fcr_store_create, name, callback, user_data);
  Request *request = request_new (store, REQUEST_CREATE, name);
  GError *error = NULL;

  request->entry = fcr_entry_new (name, options, owner);
  (void) may_create (store, request->entry, &error);
  ask (request, task, error);
}

FcrSlot *
fcr_store_create_finish (FcrStore *store, GAsyncResult *result, GError **error)
{
  GTask *task = G_TASK (result);
  FcrSlot *slot;

  g_return_val_if_fail (g_task_is_valid (result, store), NULL);
  if (!g_task_propagate_boolean (task, error))
    return NULL;
  slot = fcr_store_lookup (store, g_task_get_task_data (task));
  if (slot == NULL)
    g_set_error (error, FCR_ERROR, FCR_ERROR_NOT_FOUND,
                 "slot %s was made, and removed by somebody at once",
                 (const gchar *) g_task_get_task_data (task));
  return slot;
}

void
fcr_store_remove (FcrStore *store, const gchar *name, gboolean force,
                  GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = task_new (store, fcr_store_remove, name, callback, user_data);
  Request *request = request_new (store, REQUEST_REMOVE, name);
  GError *error = NULL;

  request->force = force;
  if (may_ask (store, &error))
    (void) fcr_check_name (name, &error);
  ask (request, task, error);
}

gboolean
fcr_store_remove_finish (FcrStore *store, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, store), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

void
fcr_store_collect (FcrStore *store, GAsyncReadyCallback callback,
                   gpointer user_data)
{
  GTask *task = task_new (store, fcr_store_collect, NULL, callback, user_data);
  Request *request = request_new (store, REQUEST_COLLECT, NULL);
  GError *error = NULL;

  (void) may_ask (store, &error);
  ask (request, task, error);
}

GStrv
fcr_store_collect_finish (FcrStore *store, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, store), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}
