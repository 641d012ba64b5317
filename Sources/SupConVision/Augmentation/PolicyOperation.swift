import Glibc
import SupConTensor

/// The operations that AutoAugment and RandAugment choose from, with torchvision's magnitudes: a
/// strength of 0…1 spans
///
///     shear      ±0.3                     brightness, color, contrast, sharpness   1 ± 0.9
///     translate  ±150/331 of the side     posterize                                8 … 4 bits
///     rotate     ±30°                     solarize                                 from 1 … 0 on
///
/// the sign being drawn; autocontrast, equalize and invert have no magnitude.
enum PolicyOperation: Sendable {
    case shearX, shearY, translateX, translateY, rotate, brightness, color, contrast, sharpness,
        posterize, solarize, autoContrast, equalize, invert, identity

    /// The operations that RandAugment draws from, torchvision's fourteen.
    static let randAugment: [PolicyOperation] = [
        .identity, .shearX, .shearY, .translateX, .translateY, .rotate, .brightness, .color,
        .contrast, .sharpness, .posterize, .solarize, .autoContrast,
        .equalize,
    ]

    var isSigned: Bool {
        switch self {
        case .shearX, .shearY, .translateX, .translateY, .rotate, .brightness, .color, .contrast,
            .sharpness:
            true
        default: false
        }
    }

    /// Returns the operation for an image of the given size; nil if it changes nothing (a color
    /// operation without three channels).
    func made(strength: Float, negative: Bool, height: Int, width: Int, channels: Int, fill: Float)
        -> (any ImageOperation)?
    {
        let signed = negative ? -strength : strength
        switch self {
        case .shearX: return .some(Affine.shearX(0.3 * signed, fill: fill))
        case .shearY: return .some(Affine.shearY(0.3 * signed, fill: fill))
        case .translateX:
            return .some(
                Affine.translate(
                    x: Int(150.0 / 331 * Double(width) * Double(signed)), y: 0, fill: fill))
        case .translateY:
            return .some(
                Affine.translate(
                    x: 0, y: Int(150.0 / 331 * Double(height) * Double(signed)), fill: fill))
        case .rotate:
            return .some(
                Affine.rotate(degrees: 30 * signed, height: height, width: width, fill: fill))
        case .brightness: return .some(Brightness(factor: 1 + 0.9 * signed))
        case .color: return channels == 3 ? Saturation(factor: 1 + 0.9 * signed) : nil
        case .contrast: return .some(Contrast(factor: 1 + 0.9 * signed))
        case .sharpness: return .some(Sharpness(factor: 1 + 0.9 * signed))
        case .posterize:
            return .some(Posterize(bits: 8 - Int((4 * strength).rounded(.toNearestOrEven))))
        case .solarize: return .some(Solarize(threshold: 1 - strength))
        case .autoContrast: return .some(AutoContrast())
        case .equalize: return .some(Equalize())
        case .invert: return .some(Invert())
        case .identity: return nil
        }
    }
}
