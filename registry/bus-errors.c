/* framecache: errors, told on the bus
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bus-errors.h"

#include "names.h"
#include "store.h"

static const GDBusErrorEntry entries[] = {
  { FCR_ERROR_NOT_FOUND, FCR_ERROR_NAME_NOT_FOUND },
  { FCR_ERROR_EXISTS, FCR_ERROR_NAME_EXISTS },
  { FCR_ERROR_BUSY, FCR_ERROR_NAME_BUSY },
  { FCR_ERROR_NO_SPACE, FCR_ERROR_NAME_NO_SPACE },
  { FCR_ERROR_OVER_BUDGET, FCR_ERROR_NAME_OVER_BUDGET },
  { FCR_ERROR_INVALID_NAME, FCR_ERROR_NAME_INVALID_NAME },
  { FCR_ERROR_NOT_PERMITTED, FCR_ERROR_NAME_NOT_PERMITTED },
};

void
fcr_bus_errors_register (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (entries); i++)
    g_dbus_error_register_error (FCR_ERROR, entries[i].error_code,
                                 entries[i].dbus_error_name);
}

/* A sentence may quote a name that was cut in the middle of a character, or
 * that has in it what a terminal acts on. */
static gchar *
make_printable (const gchar *message)
{
  g_autofree gchar *valid = g_utf8_make_valid (message, -1);
  GString *text = g_string_new (NULL);

  for (const gchar *p = valid; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      g_string_append_unichar (text, g_unichar_isprint (c) ? c : 0xfffd);
    }
  return g_string_free (text, FALSE);
}

void
fcr_bus_errors_return (GDBusMethodInvocation *invocation, GError *error)
{
  g_autofree gchar *message = make_printable (error->message);
  GQuark domain = error->domain;
  gint code = error->code;

  /* These two have names of D-Bus's own, which GIO has registered for codes of
   * its own. */
  if (domain == G_OPTION_ERROR
      || g_error_matches (error, FCR_ERROR, FCR_ERROR_INVALID_ARGUMENT))
    {
      domain = G_DBUS_ERROR;
      code = G_DBUS_ERROR_INVALID_ARGS;
    }
  else if (domain != FCR_ERROR || code == FCR_ERROR_FAILED)
    {
      domain = G_DBUS_ERROR;
      code = G_DBUS_ERROR_FAILED;
    }
  g_dbus_method_invocation_return_error_literal (invocation, domain, code,
                                                 message);
  g_error_free (error);
}
