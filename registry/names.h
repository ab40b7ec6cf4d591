/* framecache: the names on the bus
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FCR_NAMES_H
#define FCR_NAMES_H

#define FCR_BUS_NAME "org.framecache.Registry1"
#define FCR_ROOT_PATH "/org/framecache/Registry1"
/* A slot's path is this and its name, with each byte outside A-Z a-z 0-9 as _
 * and two hex digits. */
#define FCR_SLOT_PATH FCR_ROOT_PATH "/slot/"
#define FCR_REGISTRY_INTERFACE "org.framecache.Registry1"
#define FCR_SLOT_INTERFACE "org.framecache.Slot1"
#define FCR_ERROR_PREFIX "org.framecache.Error."

#endif /* FCR_NAMES_H */
