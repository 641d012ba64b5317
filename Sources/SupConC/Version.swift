import CSupCon

@c @implementation
public func supcon_abi_version() -> Int32 { Int32(SUPCON_ABI_VERSION) }
