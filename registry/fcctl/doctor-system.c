/* framecache: fcctl doctor's checks of the system around slots
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "bus.h"
#include "doctor.h"
#include "logind.h"

/* Seconds for GStreamer to look through its plug-ins, the first time. */
#define INSPECT_S 30

/* logind ------------------------------------------------------------------ */

static void
tell_removal (FcctlDoctor *doctor, guint uid, const gchar *file,
              const gchar *what)
{
  g_autofree gchar *user = fcctl_doctor_user (uid);
  g_autofree gchar *remedy = g_strdup_printf (
      "loginctl enable-linger %u, or RemoveIPC=no in "
      "/etc/systemd/logind.conf.d/framecache.conf; or write as a system user.",
      uid);

  fcctl_doctor_fault (doctor, file, remedy,
                      "logind removes all that %s has in /dev/shm when that "
                      "user's last session ends (RemoveIPC=yes, %s): %s goes, "
                      "with its writer still at work.",
                      user, file != NULL ? file : "which is the default", what);
}

static gboolean
is_in_shm (const gchar *path)
{
  g_autofree gchar *whole = g_canonicalize_filename (path, NULL);

  return g_str_has_prefix (whole, "/dev/shm/");
}

void
fcctl_doctor_remove_ipc (FcctlDoctor *doctor)
{
  g_autoptr (GHashTable) told = g_hash_table_new (NULL, NULL);
  g_autofree gchar *file = NULL;

  if (!fcctl_logind_runs ())
    {
      fcctl_doctor_skip (doctor, "systemd-logind does not run here");
      return;
    }
  if (!fcctl_logind_removes_ipc (&file))
    return;
  for (guint i = 0; i < doctor->slots->len; i++)
    {
      const FcctlDoctorSlot *slot = g_ptr_array_index (doctor->slots, i);

      if (slot->result == 0 && is_in_shm (slot->dir->path)
          && fcctl_logind_removes_from (slot->stat.owner)
          && g_hash_table_add (told, GUINT_TO_POINTER (slot->stat.owner)))
        tell_removal (doctor, slot->stat.owner, file, slot->name);
    }
  for (guint i = 0; i < doctor->dirs->len; i++)
    {
      const FcctlDoctorDir *dir = g_ptr_array_index (doctor->dirs, i);

      if (dir->exists && is_in_shm (dir->path)
          && fcctl_logind_removes_from (dir->st.st_uid)
          && g_hash_table_add (told, GUINT_TO_POINTER (dir->st.st_uid)))
        tell_removal (doctor, dir->st.st_uid, file, dir->path);
    }
}

/* The registry ------------------------------------------------------------ */

/* NULL where a registry for these slots runs on BUS, or why not. */
static gchar *
registry_defect (const FcctlDoctor *doctor, FcctlBus bus)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) registry
      = fcctl_bus_registry (bus, doctor->home, &error);

  return registry == NULL ? g_strdup (error->message) : NULL;
}

void
fcctl_doctor_registry (FcctlDoctor *doctor)
{
  g_autofree gchar *session = registry_defect (doctor, FCCTL_BUS_SESSION);
  g_autofree gchar *system = NULL;

  if (session != NULL)
    system = registry_defect (doctor, FCCTL_BUS_SYSTEM);
  if (system != NULL)
    fcctl_doctor_note (doctor, NULL,
                       "Slots work without one. Who wants to see them on "
                       "D-Bus, or slots that survive a reboot, starts "
                       "fc-registry.",
                       "No registry: %s; and %s.", session, system);
}

/* Whether PATH is there and is not what a registry can read: why. */
static gchar *
state_file_defect (const gchar *path)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;
  g_autofree gchar *text = NULL;
  JsonNode *root;
  gsize size;

  if (!g_file_get_contents (path, &text, &size, &error))
    return g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_NOENT)
               ? NULL
               : g_strdup (error->message);
  if (!json_parser_load_from_data (parser, text, (gssize) size, &error))
    return g_strdup (error->message);
  root = json_parser_get_root (parser); /* NULL where the file is empty */
  if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root))
    return g_strdup ("it is no JSON object");
  return NULL;
}

void
fcctl_doctor_state_file (FcctlDoctor *doctor)
{
  g_autofree gchar *own = g_build_filename (
      g_get_user_state_dir (), "framecache", "registry.json", NULL);
  const gchar *const paths[] = { own, "/var/lib/framecache/registry.json" };

  for (guint i = 0; i < G_N_ELEMENTS (paths); i++)
    {
      g_autofree gchar *why = NULL;

      /* The system's is none of a user's business. */
      if (access (paths[i], R_OK) < 0 && errno == EACCES && i > 0)
        continue;
      why = state_file_defect (paths[i]);
      if (why != NULL)
        fcctl_doctor_fault (doctor, paths[i],
                            "Mend it, or move it away and reserve its slots "
                            "anew.",
                            "The registry's state file %s can not be read: "
                            "%s; a registry does not start with it.",
                            paths[i], why);
    }
}

/* GStreamer --------------------------------------------------------------- */

static void
end_in_time (gpointer user_data)
{
  alarm (INSPECT_S); /* goes with it through exec */
}

void
fcctl_doctor_gstreamer (FcctlDoctor *doctor)
{
  /* Of any version: without a word it would be GStreamer's own. */
  const gchar *const argv[] = { "gst-inspect-1.0", "--exists",
                                "--atleast-version=0.0", "fcsrc", NULL };
  gint status;

  if (!g_spawn_sync (NULL, (gchar **) argv, NULL,
                     G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL
                         | G_SPAWN_STDERR_TO_DEV_NULL,
                     end_in_time, NULL, NULL, NULL, &status, NULL))
    fcctl_doctor_skip (doctor, "there is no gst-inspect-1.0 to ask");
  else if (!g_spawn_check_wait_status (status, NULL))
    fcctl_doctor_note (doctor, NULL,
                       "Install framecache's plug-in, or name its folder with "
                       "GST_PLUGIN_PATH.",
                       "GStreamer does not find fcsrc and fcsink here.");
}
