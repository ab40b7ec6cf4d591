/* framecache: fc-registry
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <locale.h>
#include <signal.h>
#include <stdlib.h>

#include <glib-unix.h>

#include "names.h"
#include "service.h"
#include "sizes.h"

/* Exit codes, as the man page has them. */
enum
{
  ENDED = 0,    /* by SIGTERM or SIGINT */
  FAILED = 1,   /* no bus, or something that should have worked */
  USAGE = 2,    /* the command line, the directory or the state file will not
                   do */
  TAKEN = 3,    /* the bus has a registry */
  REPLACED = 4, /* somebody took the name over */
  BUS_GONE = 5
};

/* Seconds that a dead writer's ring is left for the next one, or for who wants
 * to see its last frames. */
#define COLLECT_AFTER 300

/* What RequestName answers where all is well: DBUS_REQUEST_NAME_REPLY_... */
#define PRIMARY_OWNER 1u

typedef struct
{
  gboolean session;
  gboolean system;
  gchar *directory;
  gchar *budget;
  gchar *state_file;
  gboolean no_state_file;
  gint collect_after;
  gboolean version;
} Settings;

typedef struct
{
  GDBusConnection *connection;
  FcrStore *store;
  FcrService *service;
  GMainLoop *loop;
  int status;
} Registry;

static int
say (int status, const gchar *sentence)
{
  g_printerr ("fc-registry: %s\n", sentence);
  return status;
}

static int
say_error (int status, GError *error)
{
  g_dbus_error_strip_remote_error (error);
  return say (status, error->message);
}

static void
settings_clear (Settings *settings)
{
  g_free (settings->directory);
  g_free (settings->budget);
  g_free (settings->state_file);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Settings, settings_clear)

/* The command line -------------------------------------------------------- */

static gboolean
parse_command_line (Settings *settings, int *argc, char ***argv, GError **error)
{
  const GOptionEntry entries[]
      = { { "session", 0, 0, G_OPTION_ARG_NONE, &settings->session,
            "Be on the session bus (the default)", NULL },
          { "system", 0, 0, G_OPTION_ARG_NONE, &settings->system,
            "Be on the system bus", NULL },
          { "directory", 'd', 0, G_OPTION_ARG_FILENAME, &settings->directory,
            "The slots' directory; by default FC_DIR's or the usual ones",
            "DIR" },
          { "budget", 'b', 0, G_OPTION_ARG_STRING, &settings->budget,
            "Shared memory that all slots may plan for, such as 2GiB", "SIZE" },
          { "state-file", 's', 0, G_OPTION_ARG_FILENAME, &settings->state_file,
            "Where reserved slots are kept", "FILE" },
          { "no-state-file", 0, 0, G_OPTION_ARG_NONE, &settings->no_state_file,
            "Do not keep reserved slots", NULL },
          { "collect-after", 'c', 0, G_OPTION_ARG_INT, &settings->collect_after,
            "Leave a dead writer's ring for so long (300)", "SECONDS" },
          { "version", 0, 0, G_OPTION_ARG_NONE, &settings->version,
            "Print the version", NULL },
          { NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL } };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);

  g_option_context_set_summary (
      context, "Shows framecache's slots on D-Bus, and keeps reserved ones.");
  g_option_context_add_main_entries (context, entries, NULL);
  return g_option_context_parse (context, argc, argv, error);
}

static gboolean
refuse (GError **error, const gchar *sentence)
{
  g_set_error_literal (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                       sentence);
  return FALSE;
}

/* A size is written as a frame's is. */
static gboolean
parse_budget (const gchar *text, guint64 *bytes, GError **error)
{
  FcrSizes sizes = FCR_SIZES_INIT;
  gboolean good = fcr_sizes_parse_word (&sizes, text, NULL)
                  && sizes.frame_size != 0 && sizes.fps_n == 0;

  *bytes = sizes.frame_size;
  fcr_sizes_clear (&sizes);
  return good
         || refuse (error, "--budget takes bytes of shared memory, such as "
                           "2GiB, 500MB or 1000000000");
}

static gboolean
check_settings (const Settings *settings, int argc, GError **error)
{
  if (argc > 1)
    return refuse (error, "there are no arguments, only options: see --help");
  if (settings->session && settings->system)
    return refuse (error, "--session and --system are two buses: say one");
  if (settings->state_file != NULL && settings->no_state_file)
    return refuse (error,
                   "--state-file and --no-state-file contradict: say one");
  if (settings->collect_after < 0)
    return refuse (error, "--collect-after takes seconds, 0 or more");
  return TRUE;
}

/* NULL where there shall be none. */
static gchar *
choose_state_file (const Settings *settings)
{
  const gchar *directory = g_getenv ("STATE_DIRECTORY");

  if (settings->no_state_file)
    return NULL;
  if (settings->state_file != NULL)
    return g_strdup (settings->state_file);
  if (!settings->system)
    return g_build_filename (g_get_user_state_dir (), "framecache",
                             "registry.json", NULL);
  return g_build_filename (directory != NULL ? directory
                                             : "/var/lib/framecache",
                           "registry.json", NULL);
}

/* The bus ----------------------------------------------------------------- */

static GVariant *
ask_the_bus (Registry *registry, const gchar *method, GVariant *arguments,
             const gchar *type, GError **error)
{
  return g_dbus_connection_call_sync (
      registry->connection, "org.freedesktop.DBus", "/org/freedesktop/DBus",
      "org.freedesktop.DBus", method, arguments, G_VARIANT_TYPE (type),
      G_DBUS_CALL_FLAGS_NONE, -1, NULL, error);
}

/* 0 where there is none. */
static guint
find_another (Registry *registry)
{
  g_autoptr (GVariant) answer
      = ask_the_bus (registry, "GetConnectionUnixProcessID",
                     g_variant_new ("(s)", FCR_BUS_NAME), "(u)", NULL);
  guint32 pid = 0;

  if (answer != NULL)
    g_variant_get (answer, "(u)", &pid);
  return pid;
}

static int
say_taken (guint pid)
{
  g_autofree gchar *sentence
      = g_strdup_printf ("this bus has a registry already, process %u; end "
                         "that one first, or be on another bus",
                         pid);

  return say (TAKEN, sentence);
}

static int
take_name (Registry *registry)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) answer = NULL;
  guint32 outcome;

  answer = ask_the_bus (
      registry, "RequestName",
      g_variant_new ("(su)", FCR_BUS_NAME,
                     (guint32) (G_BUS_NAME_OWNER_FLAGS_ALLOW_REPLACEMENT
                                | G_BUS_NAME_OWNER_FLAGS_DO_NOT_QUEUE)),
      "(u)", &error);
  if (answer == NULL)
    return say_error (FAILED, error);
  g_variant_get (answer, "(u)", &outcome);
  return outcome == PRIMARY_OWNER ? ENDED : say_taken (find_another (registry));
}

static void
quit (Registry *registry, int status)
{
  registry->status = status;
  g_main_loop_quit (registry->loop);
}

static void
on_name_lost (GDBusConnection *connection, const gchar *sender,
              const gchar *path, const gchar *interface, const gchar *signal,
              GVariant *arguments, gpointer data)
{
  say (REPLACED, "another program took the name " FCR_BUS_NAME
                 " over: there is nothing left to do here");
  quit (data, REPLACED);
}

static void
on_closed (GDBusConnection *connection, gboolean vanished, GError *error,
           gpointer data)
{
  say (BUS_GONE, "the bus went away; start the registry again when there is "
                 "one");
  quit (data, BUS_GONE);
}

static gboolean
on_signal (gpointer data)
{
  quit (data, ENDED);
  return G_SOURCE_CONTINUE;
}

static gboolean
connect_to_bus (Registry *registry, gboolean system, GError **error)
{
  registry->connection = g_bus_get_sync (
      system ? G_BUS_TYPE_SYSTEM : G_BUS_TYPE_SESSION, NULL, error);
  if (registry->connection == NULL)
    {
      g_prefix_error (error,
                      "can not reach the %s bus (DBUS_%s_BUS_ADDRESS says "
                      "where it is): ",
                      system ? "system" : "session",
                      system ? "SYSTEM" : "SESSION");
      return FALSE;
    }
  g_dbus_connection_set_exit_on_close (registry->connection, FALSE);
  g_signal_connect (registry->connection, "closed", G_CALLBACK (on_closed),
                    registry);
  g_dbus_connection_signal_subscribe (
      registry->connection, "org.freedesktop.DBus", "org.freedesktop.DBus",
      "NameLost", "/org/freedesktop/DBus", FCR_BUS_NAME,
      G_DBUS_SIGNAL_FLAGS_NONE, on_name_lost, registry, NULL);
  return TRUE;
}

/* The whole -------------------------------------------------------------- */

/* On the bus before the name is, because from then on calls come; and the first
 * look at the slots before the first call is answered, because that is done by
 * the loop. */
static int
run (Registry *registry, const FcrStoreOptions *options, gboolean system)
{
  g_autoptr (GError) error = NULL;
  guint other;
  int status;

  if (!connect_to_bus (registry, system, &error))
    return say_error (FAILED, error);
  other = find_another (registry);
  if (other != 0)
    return say_taken (other);
  registry->store = fcr_store_new (options, &error);
  if (registry->store == NULL)
    return say_error (USAGE, error);
  registry->service
      = fcr_service_new (registry->store, registry->connection, &error);
  if (registry->service == NULL)
    return say_error (FAILED, error);
  status = take_name (registry);
  if (status != ENDED)
    return status;
  fcr_store_start (registry->store);
  g_unix_signal_add (SIGTERM, on_signal, registry);
  g_unix_signal_add (SIGINT, on_signal, registry);
  g_main_loop_run (registry->loop);
  return registry->status;
}

/* Who calls from now on starts the next one. */
static void
give_name_back (Registry *registry)
{
  GVariant *answer
      = ask_the_bus (registry, "ReleaseName",
                     g_variant_new ("(s)", FCR_BUS_NAME), "(u)", NULL);

  g_clear_pointer (&answer, g_variant_unref);
}

static void
registry_clear (Registry *registry)
{
  if (registry->connection != NULL)
    {
      g_signal_handlers_disconnect_by_data (registry->connection, registry);
      give_name_back (registry);
    }
  if (registry->store != NULL)
    fcr_store_stop (registry->store);
  if (registry->service != NULL)
    fcr_service_stop (registry->service);
  g_clear_object (&registry->service);
  g_clear_object (&registry->store);
  if (registry->connection != NULL)
    g_dbus_connection_flush_sync (registry->connection, NULL, NULL);
  g_clear_object (&registry->connection);
  g_main_loop_unref (registry->loop);
}

int
main (int argc, char **argv)
{
  g_auto (Settings) settings = { .collect_after = COLLECT_AFTER };
  g_autoptr (GError) error = NULL;
  g_autofree gchar *state_file = NULL;
  Registry registry = { 0 };
  FcrStoreOptions options = { 0 };
  int status;

  setlocale (LC_ALL, "");
  if (!parse_command_line (&settings, &argc, &argv, &error)
      || !check_settings (&settings, argc, &error)
      || (settings.budget != NULL
          && !parse_budget (settings.budget, &options.budget, &error)))
    return say_error (USAGE, error);
  if (settings.version)
    {
      g_print ("fc-registry %s\n", fc_version ());
      return ENDED;
    }
  state_file = choose_state_file (&settings);
  options.directory = settings.directory;
  options.state_file = state_file;
  options.collect_after = (guint) settings.collect_after;
  registry.loop = g_main_loop_new (NULL, FALSE);
  status = run (&registry, &options, settings.system);
  registry_clear (&registry);
  return status;
}
