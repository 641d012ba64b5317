import CSupCon
import SupCon

private let versionText = "\(SUPCON_VERSION_MAJOR).\(SUPCON_VERSION_MINOR).\(SUPCON_VERSION_PATCH)"
nonisolated(unsafe) private let versionString = StaticStrings.immortal(versionText)
nonisolated(unsafe) private let buildInfo = StaticStrings.immortal(
    """
    libsupcon \(versionText), engine \(Engine.standard.versionedName), CPU \
    \(CPUFeatures.instructionSet), \(Parallel.availableThreads) threads, precision \
    \(Engine.fastestPrecision.rawValue)
    """
)

@c @implementation
public func supcon_version() -> UnsafePointer<CChar>? { versionString }

@c @implementation
public func supcon_abi_version() -> Int32 { Int32(SUPCON_ABI_VERSION) }

@c @implementation
public func supcon_build_info() -> UnsafePointer<CChar>? { buildInfo }
