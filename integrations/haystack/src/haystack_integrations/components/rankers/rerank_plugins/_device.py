"""Haystack's device as the core takes devices."""

from haystack.utils import ComponentDevice


def torch_names(device: ComponentDevice) -> str | list[str]:
    """
    The device's name in torch, or those of a device map.
    """
    if not device.has_multiple_devices:
        return device.to_torch_str()
    serialised: dict[str, str] = device.to_dict()["device_map"]
    return list(serialised.values())
