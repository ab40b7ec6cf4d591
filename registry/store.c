/* framecache: which slots there are
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "store-private.h"

#define TICK_MS 1000
/* Ticks between two rounds: what events did not tell, and collecting. */
#define ROUND_TICKS 10
/* A slot's events are answered at once, and once more after this time: a dying
 * process closes its files just before it lets go of their locks. However many
 * come, there is one look in this time. */
#define SOON_MS 50
/* More are not looked at: anybody may fill a directory that all may write in.
 */
#define SLOTS_MAX 16384u

enum
{
  SLOT_ADDED,
  SLOT_REMOVED,
  SLOT_CHANGED,
  CONSUMER_ATTACHED,
  CONSUMER_DETACHED,
  LAPPED,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

G_DEFINE_TYPE (FcrStore, fcr_store, G_TYPE_OBJECT)

static FcrTracked *
find (FcrStore *store, const gchar *name)
{
  return g_hash_table_lookup (store->slots, name);
}

/* Signals ------------------------------------------------------------------ */

static void
tell_changed (FcrStore *store, FcrTracked *tracked)
{
  tracked->changed = tracked->urgent = FALSE;
  g_signal_emit (store, signals[SLOT_CHANGED], 0, &tracked->slot);
}

static void
tell_consumer (FcrTracked *tracked, FcrConsumerEvent event,
               const FcrConsumer *consumer, guint64 dropped, gpointer store)
{
  if (event == FCR_CONSUMER_LAPPED)
    g_signal_emit (store, signals[LAPPED], 0, &tracked->slot,
                   consumer->stat.pid, dropped);
  else
    g_signal_emit (store,
                   signals[event == FCR_CONSUMER_ATTACHED ? CONSUMER_ATTACHED
                                                          : CONSUMER_DETACHED],
                   0, &tracked->slot, consumer);
}

static void
tell_second (FcrStore *store, FcrTracked *tracked)
{
  if (tracked->changed || tracked->urgent)
    tell_changed (store, tracked);
  fcr_tracked_tell_consumers (tracked, tell_consumer, store);
}

/* Looking ------------------------------------------------------------------ */

static void
gone (FcrStore *store, FcrTracked *tracked)
{
  g_hash_table_steal (store->slots, tracked->slot.name);
  g_signal_emit (store, signals[SLOT_REMOVED], 0, &tracked->slot);
  fcr_tracked_free (tracked);
}

/* A ring that is none, or is not for us. Once for each name. */
static void
refuse (FcrStore *store, const gchar *name, int r)
{
  gint64 *when = g_hash_table_lookup (store->refused, name);

  if (when == NULL)
    {
      if (r != -EACCES)
        {
          g_autofree gchar *detail = g_utf8_make_valid (fc_error_detail (), -1);

          g_message ("slot %s is passed over: %s", name, detail);
        }
      when = g_new (gint64, 1);
      g_hash_table_insert (store->refused, g_strdup (name), when);
    }
  *when = g_get_monotonic_time ();
}

static gboolean
is_full (FcrStore *store)
{
  gboolean was = store->full;

  store->full
      = g_hash_table_size (store->slots) + g_hash_table_size (store->refused)
        >= SLOTS_MAX;
  if (store->full && !was)
    g_warning ("there are %u slots, or files named so: more are passed over",
               SLOTS_MAX);
  return store->full;
}

static FcrTracked *
look_at_new (FcrStore *store, const gchar *name)
{
  FcrTracked *tracked;
  int r;

  if (is_full (store))
    return NULL;
  tracked = fcr_tracked_new (name);
  r = fcr_tracked_look (tracked, store->dir, FCR_LOOK_AGAIN);
  if (r < 0)
    {
      if (r != -ENOENT && r != FC_REPLACED)
        refuse (store, name, r);
      fcr_tracked_free (tracked);
      return NULL;
    }
  g_hash_table_remove (store->refused, name);
  g_hash_table_insert (store->slots, tracked->slot.name, tracked);
  g_signal_emit (store, signals[SLOT_ADDED], 0, &tracked->slot);
  return tracked;
}

/* NULL: it is gone. */
static FcrTracked *
look_again (FcrStore *store, FcrTracked *tracked, FcrLookFlags flags)
{
  int r = fcr_tracked_look (tracked, store->dir, flags);

  if (r == -EMFILE || r == -ENFILE || r == -ENOMEM || r == FC_REPLACED)
    return tracked;
  if (r < 0)
    {
      if (r != -ENOENT)
        refuse (store, tracked->slot.name, r);
      gone (store, tracked);
      return NULL;
    }
  if (flags & FCR_LOOK_SECOND)
    tell_second (store, tracked);
  else if (tracked->urgent)
    tell_changed (store, tracked);
  return tracked;
}

static FcrTracked *
look (FcrStore *store, const gchar *name, FcrLookFlags flags)
{
  FcrTracked *tracked = find (store, name);

  tracked = tracked != NULL ? look_again (store, tracked, flags)
                            : look_at_new (store, name);
  if (tracked != NULL)
    fcr_requests_saw (store, &tracked->slot);
  return tracked;
}

FcrSlot *
fcr_store_look (FcrStore *store, const gchar *name)
{
  FcrTracked *tracked = look (store, name, FCR_LOOK_ANEW);

  return tracked != NULL ? &tracked->slot : NULL;
}

static gboolean
look_at_due (gpointer user_data)
{
  FcrStore *store = user_data;
  g_autoptr (GHashTable) due = g_steal_pointer (&store->due);
  GHashTableIter iter;
  gpointer name;

  g_clear_pointer (&store->soon, g_source_unref);
  store->due = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_hash_table_iter_init (&iter, due);
  while (g_hash_table_iter_next (&iter, &name, NULL))
    (void) look (store, name, FCR_LOOK_ANEW);
  return G_SOURCE_REMOVE;
}

static GSource *
add_timer (FcrStore *store, guint ms, GSourceFunc func)
{
  GSource *source = g_timeout_source_new (ms);

  g_source_set_callback (source, func, store, NULL);
  g_source_attach (source, store->context);
  return source;
}

static void
look_soon (FcrStore *store, const gchar *name)
{
  g_hash_table_add (store->due, g_strdup (name));
  if (store->soon == NULL)
    store->soon = add_timer (store, SOON_MS, look_at_due);
}

static gint64
last_look (FcrStore *store, const gchar *name)
{
  FcrTracked *tracked = find (store, name);
  const gint64 *refused = g_hash_table_lookup (store->refused, name);

  return tracked != NULL ? tracked->looked_at : refused != NULL ? *refused : 0;
}

/* All slots ---------------------------------------------------------------- */

static int
look_at_dir (const char *path, void *user_data)
{
  FcrStore *store = user_data;
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const gchar *file;

  while (dir != NULL && (file = g_dir_read_name (dir)) != NULL)
    {
      g_autofree gchar *name = NULL;

      if (!g_str_has_suffix (file, ".ring"))
        continue;
      name = g_strndup (file, strlen (file) - strlen (".ring"));
      if (fcr_is_name (name) && find (store, name) == NULL)
        (void) look (store, name, FCR_LOOK_AGAIN);
    }
  return 0;
}

static int
has_file (const char *path, void *user_data)
{
  g_autofree gchar *file
      = g_strdup_printf ("%s/%s.ring", path, (const gchar *) user_data);

  return g_file_test (file, G_FILE_TEST_EXISTS | G_FILE_TEST_IS_SYMLINK);
}

static gboolean
is_no_file (gpointer name, gpointer when, gpointer user_data)
{
  FcrStore *store = user_data;

  return fc_slot_dirs (store->dir, has_file, name) == 0;
}

static void
look_everywhere (FcrStore *store)
{
  g_hash_table_foreach_remove (store->refused, is_no_file, store);
  (void) fc_slot_dirs (store->dir, look_at_dir, store);
}

static void
look_at_known (FcrStore *store, FcrLookFlags flags)
{
  g_autoptr (GPtrArray) all = fcr_store_list (store);

  for (guint i = 0; i < all->len; i++)
    {
      FcrSlot *slot = all->pdata[i];

      (void) look (store, slot->name, flags);
    }
}

static void
on_watch (const gchar *name, gpointer user_data)
{
  FcrStore *store = user_data;

  if (name == NULL)
    {
      look_at_known (store, FCR_LOOK_AGAIN);
      look_everywhere (store);
      /* What could not be made without the directory can be now. */
      if (store->tick != NULL)
        fcr_requests_round (store);
      return;
    }
  if (g_get_monotonic_time () - last_look (store, name) >= SOON_MS * 1000)
    (void) look (store, name, FCR_LOOK_ANEW);
  look_soon (store, name);
}

static gboolean
on_tick (gpointer user_data)
{
  FcrStore *store = user_data;
  gboolean round = ++store->ticks % ROUND_TICKS == 0;
  gboolean told = TRUE;

  for (guint i = 0; i < store->watches->len; i++)
    {
      told = told && fcr_watch_is_told (store->watches->pdata[i]);
      fcr_watch_check (store->watches->pdata[i]);
    }
  look_at_known (store, FCR_LOOK_SECOND);
  if (round || !told)
    look_everywhere (store);
  if (round)
    fcr_requests_round (store);
  fcr_requests_tick (store);
  return G_SOURCE_CONTINUE;
}

/* The object --------------------------------------------------------------- */

static void
fcr_store_init (FcrStore *store)
{
  store->context = g_main_context_ref_thread_default ();
  store->slots = g_hash_table_new (g_str_hash, g_str_equal);
  store->refused
      = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  store->due = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  store->watches
      = g_ptr_array_new_with_free_func ((GDestroyNotify) fcr_watch_free);
}

static void
fcr_store_dispose (GObject *object)
{
  fcr_store_stop (FCR_STORE (object));
  G_OBJECT_CLASS (fcr_store_parent_class)->dispose (object);
}

static void
fcr_store_finalize (GObject *object)
{
  FcrStore *store = FCR_STORE (object);
  GHashTableIter iter;
  gpointer tracked;

  fcr_requests_finalize (store);
  g_hash_table_iter_init (&iter, store->slots);
  while (g_hash_table_iter_next (&iter, NULL, &tracked))
    fcr_tracked_free (tracked);
  g_hash_table_unref (store->slots);
  g_hash_table_unref (store->refused);
  g_hash_table_unref (store->due);
  g_ptr_array_unref (store->watches);
  g_main_context_unref (store->context);
  g_free (store->directory);
  g_free (store->dir);
  G_OBJECT_CLASS (fcr_store_parent_class)->finalize (object);
}

static void
fcr_store_class_init (FcrStoreClass *klass)
{
  GObjectClass *object = G_OBJECT_CLASS (klass);
  GType type = G_TYPE_FROM_CLASS (klass);

  object->dispose = fcr_store_dispose;
  object->finalize = fcr_store_finalize;
  signals[SLOT_ADDED]
      = g_signal_new ("slot-added", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                      NULL, G_TYPE_NONE, 1, G_TYPE_POINTER);
  signals[SLOT_REMOVED]
      = g_signal_new ("slot-removed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                      NULL, G_TYPE_NONE, 1, G_TYPE_POINTER);
  signals[SLOT_CHANGED]
      = g_signal_new ("slot-changed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                      NULL, G_TYPE_NONE, 1, G_TYPE_POINTER);
  signals[CONSUMER_ATTACHED] = g_signal_new (
      "consumer-attached", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
      G_TYPE_NONE, 2, G_TYPE_POINTER, G_TYPE_POINTER);
  signals[CONSUMER_DETACHED] = g_signal_new (
      "consumer-detached", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
      G_TYPE_NONE, 2, G_TYPE_POINTER, G_TYPE_POINTER);
  signals[LAPPED] = g_signal_new ("lapped", type, G_SIGNAL_RUN_LAST, 0, NULL,
                                  NULL, NULL, G_TYPE_NONE, 3, G_TYPE_POINTER,
                                  G_TYPE_UINT, G_TYPE_UINT64);
}

/* Each slot is held open by two descriptors, and the usual bound of a thousand
 * is one that select () needs, which nothing here uses. */
static void
raise_file_limit (void)
{
  struct rlimit limit;

  if (getrlimit (RLIMIT_NOFILE, &limit) < 0)
    return;
  limit.rlim_cur = MIN (limit.rlim_max, 4 * SLOTS_MAX);
  (void) setrlimit (RLIMIT_NOFILE, &limit);
}

static int
no_slot (const fc_slot_stat_t *stat, void *user_data)
{
  return 1;
}

static int
first_dir (const char *path, void *user_data)
{
  *(gchar **) user_data = g_strdup (path);
  return 1;
}

/* What libfc would make a slot in. Of the usual directories one that will not
 * do is no reason to see nothing of the other. */
static gboolean
find_directory (FcrStore *store, GError **error)
{
  fc_writer_options_t options = FC_WRITER_OPTIONS_INIT;
  fc_plan_t plan = { .struct_size = sizeof plan };
  int r;

  options.dir = store->dir;
  options.frame_size = 1;
  if (store->dir != NULL)
    {
      r = fc_slot_list (store->dir, no_slot, NULL);
      if (r < 0 && r != -ENOENT)
        {
          fcr_set_error (error, r);
          return FALSE;
        }
    }
  r = fc_plan (&options, &plan);
  if (r == 0)
    store->directory = g_strdup (plan.dir);
  else
    (void) fc_slot_dirs (store->dir, first_dir, &store->directory);
  return TRUE;
}

FcrStore *
fcr_store_new (const FcrStoreOptions *options, GError **error)
{
  g_autoptr (FcrStore) store = g_object_new (FCR_TYPE_STORE, NULL);

  store->dir = g_strdup (options->directory);
  store->budget = options->budget;
  store->collect_after
      = (guint64) options->collect_after * G_GUINT64_CONSTANT (1000000000);
  if (!find_directory (store, error))
    return NULL;
  store->keeper.dir = store->dir;
  store->keeper.file = fcr_state_file_open (options->state_file, error);
  if (store->keeper.file == NULL)
    return NULL;
  raise_file_limit ();
  fcr_requests_init (store);
  return g_steal_pointer (&store);
}

static int
add_watch (const char *path, void *user_data)
{
  FcrStore *store = user_data;
  int r = fc_slot_list (path, no_slot, NULL);

  if (r < 0 && r != -ENOENT)
    g_warning ("slots in %s are not seen: %s", path, fc_error_detail ());
  g_ptr_array_add (store->watches, fcr_watch_new (path, on_watch, store));
  return 0;
}

void
fcr_store_start (FcrStore *store)
{
  g_return_if_fail (store->tick == NULL);

  fcr_requests_start (store);
  (void) fc_slot_dirs (store->dir, add_watch, store);
  store->tick = add_timer (store, TICK_MS, on_tick);
  fcr_requests_round (store);
}

static void
drop_timer (GSource **source)
{
  if (*source == NULL)
    return;
  g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

void
fcr_store_stop (FcrStore *store)
{
  drop_timer (&store->tick);
  drop_timer (&store->soon);
  g_ptr_array_set_size (store->watches, 0);
  fcr_requests_stop (store);
}

/* What others ask ---------------------------------------------------------- */

const gchar *
fcr_store_directory (FcrStore *store)
{
  return store->directory;
}

guint64
fcr_store_budget (FcrStore *store)
{
  return store->budget;
}

guint64
fcr_store_bytes_free (FcrStore *store)
{
  fc_writer_options_t options = FC_WRITER_OPTIONS_INIT;
  fc_plan_t plan = { .struct_size = sizeof plan };

  options.dir = store->dir;
  options.frame_size = 1;
  return fc_plan (&options, &plan) == 0 ? plan.bytes_free : 0;
}

guint
fcr_store_n_slots (FcrStore *store)
{
  return g_hash_table_size (store->slots);
}

FcrSlot *
fcr_store_lookup (FcrStore *store, const gchar *name)
{
  FcrTracked *tracked = find (store, name);

  return tracked != NULL ? &tracked->slot : NULL;
}

static gint
by_name (gconstpointer a, gconstpointer b)
{
  const FcrSlot *const *x = a, *const *y = b;

  return strcmp ((*x)->name, (*y)->name);
}

GPtrArray *
fcr_store_list (FcrStore *store)
{
  GPtrArray *list = g_ptr_array_sized_new (g_hash_table_size (store->slots));
  GHashTableIter iter;
  gpointer tracked;

  g_hash_table_iter_init (&iter, store->slots);
  while (g_hash_table_iter_next (&iter, NULL, &tracked))
    g_ptr_array_add (list, &((FcrTracked *) tracked)->slot);
  g_ptr_array_sort (list, by_name);
  return list;
}

/* Signals are left to the look that follows: nothing that the caller holds may
 * go while it holds it. */
void
fcr_store_refresh (FcrStore *store, FcrSlot *slot)
{
  FcrTracked *tracked = find (store, slot->name);

  if (tracked == NULL)
    return;
  if (fcr_tracked_look (tracked, store->dir, FCR_LOOK_AGAIN) < 0
      || tracked->urgent)
    look_soon (store, slot->name);
}
