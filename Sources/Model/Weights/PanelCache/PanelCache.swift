// SPDX-License-Identifier: Apache-2.0
import GGUF
import TensorOps
import WorkerPool

/// The packed matrices of one GGUF file, kept in a cache folder between starts.
///
/// Any fault of the cache is a warning, and the matrices are packed again.
final class PanelCache {
    /// Warnings about the cache.
    private(set) var warnings: [String] = []

    private let path: String
    private let source: String
    private let stored: StoredPanels?
    private var matrices: [StoredPanels.NamedMatrix] = []
    /// Whether the stored file lacks a matrix that was asked for.
    private var isIncomplete = false

    /// The cache of `file` in `folder`; the first cache makes the folder.
    ///
    /// - Parameters:
    ///   - rounding: how the matrices are rounded before they are packed.
    ///   - version: the program's version; a cache of another version is written again.
    init(
        folder: String, of file: GGUFFile, rounding: String, version: String = Release.version
    ) {
        path = "\(folder)/\(file.cacheName(rounding)).panels"
        source = "\(file.identityText); rounding \(rounding); version \(version)"
        do {
            stored = try StoredPanels(path: path, source: source)
        } catch {
            stored = nil
            switch error {
            case .missing: break
            case .stale:
                warnings.append(
                    "\(path): made from an earlier \(file.path) or by another version of TrimLLaVA; "
                        + "packing it again")
            case .damaged: warnings.append("\(path): damaged; packing \(file.path) again")
            case .unreadable(let reason): warnings.append("\(path): \(reason)")
            }
        }
    }

    /// The matrix as it was packed before.
    func matrix(
        _ weight: WeightMatrix, _ shape: PackedShape, _ pool: WorkerPool
    ) -> PackedMatrix? {
        guard let found = sound(weight, shape, pool) else {
            isIncomplete = true
            return nil
        }
        matrices.append((weight.name, weight.firstRow, found))
        return found
    }

    /// The stored matrix, if there is one and it is undamaged.
    private func sound(
        _ weight: WeightMatrix, _ shape: PackedShape, _ pool: WorkerPool
    ) -> PackedMatrix? {
        do {
            return try stored?.matrix(weight, shape, pool)
        } catch {
            warnings.append("\(path): \(weight.name) is damaged; packing it again")
            return nil
        }
    }

    /// Takes a matrix that was packed because the cache lacks it.
    func add(_ packed: PackedMatrix, for weight: WeightMatrix) {
        matrices.append((weight.name, weight.firstRow, packed))
    }

    /// Writes all matrices to the cache, if it lacks any.
    ///
    /// - Parameters:
    ///   - pool: the threads that compute checksums.
    ///   - onProgress: called with the part that is written, 0 to 1.
    func save(_ pool: WorkerPool, onProgress: (Double) -> Void) {
        guard isIncomplete, !matrices.isEmpty else { return }
        do {
            try StoredPanels.write(
                matrices, source: source, to: path, pool, onProgress: onProgress)
        } catch {
            warnings.append("\(error); weights are packed at every start")
        }
    }
}
