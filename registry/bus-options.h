/* framecache: options from the bus
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FCR_BUS_OPTIONS_H
#define FCR_BUS_OPTIONS_H

#include "sizes.h"

G_BEGIN_DECLS

typedef struct
{
  FcrSizes sizes;
  gboolean owner_set;
  guint owner; /* uid */
} FcrSlotOptions;

#define FCR_SLOT_OPTIONS_INIT                                                  \
  {                                                                            \
    FCR_SIZES_INIT, FALSE, 0                                                   \
  }

/* What OPTIONS, an a{sv}, say of a slot to be made, as CreateSlot has them.
 * FALSE with ERROR (G_OPTION_ERROR_BAD_VALUE), one sentence that names the
 * option; PARSED is then cleared. */
gboolean fcr_slot_options_parse (FcrSlotOptions *parsed, GVariant *options,
                                 GError **error);
void fcr_slot_options_clear (FcrSlotOptions *parsed);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (FcrSlotOptions, fcr_slot_options_clear)

/* The same of OPTIONS that may have NAME, a b, and nothing else. */
gboolean fcr_flag_option_parse (GVariant *options, const gchar *name,
                                gboolean *value, GError **error);

G_END_DECLS

#endif /* FCR_BUS_OPTIONS_H */
