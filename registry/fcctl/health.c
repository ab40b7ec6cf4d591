/* framecache: fcctl health
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>
#include <string.h>

#include "fcctl.h"

typedef struct
{
  uint64_t max_age; /* ns; 0: what fcctl_state () takes for stalled */
  gboolean allow_reserved;
  JsonBuilder *json;
  guint n, healthy;
} Health;

/* What is wrong with a slot, or NULL. */
static gchar *
fault_of (const Health *health, const fc_slot_stat_t *stat)
{
  guint64 silence = fcctl_silence (stat);
  g_autofree gchar *time = fcctl_duration (silence);
  const gchar *state = fcctl_state (stat);

  if (stat->state == FC_STATE_RESERVED)
    return health->allow_reserved
               ? NULL
               : g_strdup ("reserved, and no writer has come yet");
  if (stat->state == FC_STATE_LOST)
    return g_strdup_printf ("its writer, pid %u, died", stat->writer_pid);
  if (stat->state != FC_STATE_LIVE)
    return g_strdup_printf ("it is over (%s)", state);
  if (health->max_age > 0 ? silence <= health->max_age
                          : !g_str_equal (state, "stalled"))
    return NULL;
  return g_strdup_printf (stat->newest_commit_ns == FC_TIME_NONE
                              ? "no frame yet, %s after its writer came"
                              : "no frame for %s",
                          time);
}

static void
report (Health *health, const gchar *name, const gchar *state,
        const gchar *fault, guint64 age)
{
  g_autofree gchar *ago = fcctl_duration (age);

  health->n++;
  health->healthy += fault == NULL;
  if (health->json != NULL)
    {
      json_builder_begin_object (health->json);
      fcctl_json_string (health->json, "name", name);
      fcctl_json_bool (health->json, "healthy", fault == NULL);
      fcctl_json_string (health->json, "state", state);
      fcctl_json_string (health->json, "reason", fault);
      fcctl_json_time (health->json, "newest_age_ns", age);
      json_builder_end_object (health->json);
    }
  else if (fault != NULL)
    printf ("%s: %s\n", name, fault);
  else if (age != FC_TIME_NONE)
    printf ("%s: %s, newest frame %s ago\n", name, state, ago);
  else
    printf ("%s: %s\n", name, state);
}

static int
check (const fc_slot_stat_t *stat, void *user_data)
{
  g_autofree gchar *fault = fault_of (user_data, stat);

  report (user_data, stat->name, fcctl_state (stat), fault,
          stat->newest_commit_ns != FC_TIME_NONE ? fcctl_age (stat)
                                                 : FC_TIME_NONE);
  return 0;
}

static void
check_named (Health *health, const char *slot)
{
  fc_slot_stat_t stat = { .struct_size = sizeof stat };

  if (fc_slot_stat (fcctl_directory, slot, &stat) < 0)
    report (health, slot, NULL, fc_error_detail (), FC_TIME_NONE);
  else
    check (&stat, health);
}

static int
finish (Health *health, gboolean healthy)
{
  if (health->json != NULL)
    {
      json_builder_end_array (health->json);
      fcctl_json_bool (health->json, "healthy", healthy);
      json_builder_end_object (health->json);
      fcctl_print_json (health->json);
    }
  return healthy ? FCCTL_OK : FCCTL_PROBLEMS;
}

static int
check_any (Health *health)
{
  int r = fc_slot_list (fcctl_directory, check, health);

  if (health->n == 0 && health->json == NULL)
    printf ("%s\n", r < 0 ? fc_error_detail () : "there are no slots");
  return finish (health, health->healthy > 0);
}

int
fcctl_health (int argc, char **argv)
{
  Health health = { 0 };
  gdouble max_age = 0;
  const GOptionEntry entries[]
      = { { "max-age", 'a', 0, G_OPTION_ARG_DOUBLE, &max_age,
            "Age of the newest frame at which a slot is no more healthy",
            "SECONDS" },
          { "allow-reserved", 'r', 0, G_OPTION_ARG_NONE, &health.allow_reserved,
            "Also healthy: reserved, and no writer has come yet", NULL },
          { 0 } };

  if (!fcctl_parse (&argc, &argv, entries, "[SLOT...]", 0, -1,
                    "Say by the exit code whether slots are alive: 0 where "
                    "each SLOT, or without\none any, is live and gets frames; "
                    "else 4, and a line says why. Asks no registry.",
                    NULL)
      || !fcctl_take_seconds ("--max-age", max_age, &health.max_age))
    return FCCTL_USAGE;
  if (fcctl_json)
    {
      health.json = json_builder_begin_object (json_builder_new ());
      json_builder_set_member_name (health.json, "slots");
      json_builder_begin_array (health.json);
    }
  if (argc == 1)
    return check_any (&health);
  for (int i = 1; i < argc; i++)
    check_named (&health, argv[i]);
  return finish (&health, health.healthy == health.n);
}
