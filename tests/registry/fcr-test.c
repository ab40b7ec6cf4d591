/* The harness of the store's tests: libfc's, with a main loop and a store.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <spawn.h>

#include "fcr-test.h"
#include "store-private.h"

/* Logs --------------------------------------------------------------------- */

/* The worker logs too. */
static GMutex logs_lock;
static GPtrArray *logs;

static GLogWriterOutput
log_write (GLogLevelFlags level, const GLogField *fields, gsize n,
           gpointer unused)
{
  const char *message = "";

  for (gsize i = 0; i < n; i++)
    if (strcmp (fields[i].key, "MESSAGE") == 0)
      message = fields[i].value;
  if (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL))
    test_fail (__FILE__, __LINE__, "logged: %s", message);
  if (level & (G_LOG_LEVEL_WARNING | G_LOG_LEVEL_MESSAGE))
    {
      fprintf (stderr, "# logged: %s\n", message);
      g_mutex_lock (&logs_lock);
      g_ptr_array_add (logs, g_strdup (message));
      g_mutex_unlock (&logs_lock);
    }
  return G_LOG_WRITER_HANDLED;
}

void
log_catch (void)
{
  if (logs == NULL)
    g_log_set_writer_func (log_write, NULL, NULL);
  else
    g_ptr_array_unref (logs);
  logs = g_ptr_array_new_with_free_func (g_free);
}

unsigned
log_count (const char *part)
{
  unsigned count = 0;

  g_mutex_lock (&logs_lock);
  for (guint i = 0; i < logs->len; i++)
    count += strstr (logs->pdata[i], part) != NULL;
  g_mutex_unlock (&logs_lock);
  return count;
}

void
check_error (const char *file, int line, const GError *error, int wanted,
             const char *part)
{
  if (error == NULL)
    test_fail (file, line, "no error, and not \"%s\"", part);
  if (error->domain != FCR_ERROR || error->code != wanted
      || strstr (error->message, part) == NULL)
    test_fail (file, line, "code %d, not %d with \"%s\": %s", error->code,
               wanted, part, error->message);
  if (!g_utf8_validate (error->message, -1, NULL))
    test_fail (file, line, "no UTF-8: %s", error->message);
}

/* Loop --------------------------------------------------------------------- */

void
loop_once (void)
{
  if (!g_main_context_iteration (NULL, FALSE))
    nap ();
}

void
loop_for (int64_t ns)
{
  int64_t until = now_ns () + ns;

  while (now_ns () < until)
    loop_once ();
}

/* Stores ------------------------------------------------------------------- */

static void
on_slot (FcrStore *store, FcrSlot *slot, unsigned *count)
{
  ++*count;
}

static void
on_consumer (FcrStore *store, FcrSlot *slot, FcrConsumer *consumer,
             unsigned *count)
{
  ++*count;
}

static void
on_lapped (FcrStore *store, FcrSlot *slot, guint pid, guint64 dropped,
           signals_t *signals)
{
  signals->lapped++;
  signals->dropped += dropped;
}

const char *
state_path (void)
{
  return in_dir ("state/registry.json");
}

FcrStoreOptions
store_options (void)
{
  return (FcrStoreOptions){ .directory = test_dir,
                            .state_file = state_path (),
                            .collect_after = 60 };
}

FcrStore *
store_with (const FcrStoreOptions *options, signals_t *signals)
{
  GError *error = NULL;
  FcrStore *store = fcr_store_new (options, &error);

  if (store == NULL)
    test_fail (__FILE__, __LINE__, "no store: %s", error->message);
  if (signals != NULL)
    {
      g_signal_connect (store, "slot-added", G_CALLBACK (on_slot),
                        &signals->added);
      g_signal_connect (store, "slot-removed", G_CALLBACK (on_slot),
                        &signals->removed);
      g_signal_connect (store, "slot-changed", G_CALLBACK (on_slot),
                        &signals->changed);
      g_signal_connect (store, "consumer-attached", G_CALLBACK (on_consumer),
                        &signals->attached);
      g_signal_connect (store, "consumer-detached", G_CALLBACK (on_consumer),
                        &signals->detached);
      g_signal_connect (store, "lapped", G_CALLBACK (on_lapped), signals);
    }
  fcr_store_start (store);
  return store;
}

FcrStore *
store_new (signals_t *signals)
{
  FcrStoreOptions options = store_options ();

  return store_with (&options, signals);
}

void
store_end (FcrStore *store)
{
  fcr_store_stop (store);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_object_add_weak_pointer (G_OBJECT (store), (gpointer *) &store);
  g_object_unref (store);
  CHECK (store == NULL);
}

void
events_alone (FcrStore *store)
{
  g_source_destroy (store->tick);
}

guint
ticks (FcrStore *store)
{
  return store->ticks;
}

/* Requests ----------------------------------------------------------------- */

static void
keep_result (GObject *source, GAsyncResult *result, gpointer user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}

FcrSlot *
create (FcrStore *store, const char *name, const fc_writer_options_t *options,
        GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  fcr_store_create (store, name, options, geteuid (), keep_result, &result);
  LOOP_UNTIL (result != NULL);
  return fcr_store_create_finish (store, result, error);
}

void
create_ok (FcrStore *store, const char *name)
{
  fc_writer_options_t options = small_ring ();
  GError *error = NULL;
  FcrSlot *slot = create (store, name, &options, &error);

  if (slot == NULL)
    test_fail (__FILE__, __LINE__, "%s: %s", name, error->message);
  CHECK_STR (slot->name, name);
  CHECK (fcr_store_lookup (store, name) == slot);
}

bool
remove_slot (FcrStore *store, const char *name, bool force, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  fcr_store_remove (store, name, force, keep_result, &result);
  LOOP_UNTIL (result != NULL);
  return fcr_store_remove_finish (store, result, error);
}

GStrv
collect (FcrStore *store)
{
  g_autoptr (GAsyncResult) result = NULL;
  GError *error = NULL;
  GStrv names;

  fcr_store_collect (store, keep_result, &result);
  LOOP_UNTIL (result != NULL);
  names = fcr_store_collect_finish (store, result, &error);
  if (names == NULL)
    test_fail (__FILE__, __LINE__, "collect: %s", error->message);
  return names;
}

void
check_create_fails (FcrStore *store, const char *name,
                    const fc_writer_options_t *options, int code,
                    const char *part)
{
  g_autoptr (GError) error = NULL;

  CHECK (create (store, name, options, &error) == NULL);
  CHECK_ERROR (error, code, part);
}

bool
is_kept (const char *name)
{
  g_autofree char *text = NULL;
  g_autofree char *line = g_strdup_printf ("\"name\" : \"%s\"", name);

  return g_file_get_contents (state_path (), &text, NULL, NULL)
         && strstr (text, line) != NULL;
}

FcrSlot *
lookup (FcrStore *store, const char *name)
{
  FcrSlot *slot = fcr_store_lookup (store, name);

  CHECK (slot != NULL);
  return slot;
}

bool
has_slot (FcrStore *store, const char *name)
{
  return fcr_store_lookup (store, name) != NULL;
}

bool
is_state (FcrStore *store, const char *name, FcrState state)
{
  FcrSlot *slot = fcr_store_lookup (store, name);

  return slot != NULL && slot->state == state;
}

/* Writers ------------------------------------------------------------------ */

/* Until the child has said "ready", or has ended. */
static void
wait_ready (int fd, const char *slot)
{
  struct pollfd output = { fd, POLLIN, 0 };
  int64_t until = now_ns () + BOUND;
  char word[8] = "";

  while (poll (&output, 1, 100) != 1)
    if (now_ns () > until)
      test_fail (__FILE__, __LINE__, "the writer of %s is never ready", slot);
  if (read (fd, word, sizeof word - 1) < 5 || strncmp (word, "ready", 5) != 0)
    test_fail (__FILE__, __LINE__, "the writer of %s ended", slot);
}

/* Another program, by posix_spawn (): of a forked child of a process with
 * threads little can be expected. It ends with its input, and so with us. */
pid_t
spawn_writer (const char *slot, unsigned ms)
{
  g_autofree char *dir = g_strdup_printf ("--directory=%s", test_dir);
  g_autofree char *rate
      = g_strdup_printf ("--rate=%g", ms > 0 ? 1000.0 / ms : 1e-6);
  char *program = getenv ("SLOT_WRITER");
  char *argv[] = { program,
                   dir,
                   rate,
                   (char *) "--size=8192",
                   (char *) "--depth=4",
                   (char *) "--consumers=8",
                   (char *) slot,
                   NULL };
  posix_spawn_file_actions_t actions;
  int input[2], output[2];
  pid_t pid;

  if (program == NULL)
    test_fail (__FILE__, __LINE__, "SLOT_WRITER has to name slot-writer");
  CHECK_EQ (pipe2 (input, O_CLOEXEC), 0);
  CHECK_EQ (pipe2 (output, O_CLOEXEC), 0);
  CHECK_EQ (posix_spawn_file_actions_init (&actions), 0);
  posix_spawn_file_actions_adddup2 (&actions, input[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2 (&actions, output[1], STDOUT_FILENO);
  CHECK_EQ (posix_spawn (&pid, program, &actions, NULL, argv, environ), 0);
  posix_spawn_file_actions_destroy (&actions);
  close (input[0]);
  close (output[1]);
  wait_ready (output[0], slot);
  close (output[0]);
  return pid;
}
