// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Foundation

/// The folder in which Hugging Face's Python client keeps files, and so does this program.
///
/// https://huggingface.co/docs/huggingface_hub/guides/manage-cache
struct HubCache: Sendable {
    /// The folder of all repositories.
    let folder: String

    private static let prefix = "models--"
    /// The branch that is fetched.
    static let branch = "main"

    /// The folder of one repository.
    func folder(of repository: HubRepository) -> String {
        "\(folder)/\(Self.prefix)\(repository.owner)--\(repository.name)"
    }

    /// The file with a content, by the content's hash.
    func blob(_ hash: String, of repository: HubRepository) -> String {
        "\(folder(of: repository))/blobs/\(hash)"
    }

    /// The folder of a commit, with a link for each of its files.
    func snapshot(_ commit: String, of repository: HubRepository) -> String {
        "\(folder(of: repository))/snapshots/\(commit)"
    }

    /// The file that says which commit the branch has.
    func reference(of repository: HubRepository) -> String {
        "\(folder(of: repository))/refs/\(Self.branch)"
    }

    /// The file that is locked while a content is fetched.
    func lock(_ hash: String, of repository: HubRepository) -> String {
        "\(folder)/.locks/\(Self.prefix)\(repository.owner)--\(repository.name)/\(hash).lock"
    }

    /// The files of a model that are all in the cache; nil if one is missing.
    ///
    /// The branch's commit is looked at first, then other commits, the newest first.
    func files(of model: HubModel, _ parts: PullParts) -> ModelFiles? {
        snapshots(of: model.repository).lazy.compactMap { snapshot -> ModelFiles? in
            guard let choice = try? FileChoice(model, among: snapshot.files) else { return nil }
            // All models of the table have a vision tower.
            let isWhole = choice.projector != nil || parts == .available && model.known == nil
            return parts == .text || isWhole ? snapshot.files(of: model, choice) : nil
        }.first
    }

    /// The commits of a repository that are in the cache.
    func snapshots(of repository: HubRepository) -> [HubSnapshot] {
        let all = "\(folder(of: repository))/snapshots"
        let current = FileManager.default.contents(atPath: reference(of: repository))
            .map {
                String(decoding: $0, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
            }
        func order(_ commit: String) -> (Int, Int) {
            let status = FileStatus(FilePath("\(all)/\(commit)"))
            return (commit == current ? 0 : 1, -(status?.version.modified ?? 0))
        }
        return ((try? FileManager.default.contentsOfDirectory(atPath: all)) ?? [])
            .sorted { order($0) < order($1) }
            .map { HubSnapshot(folder: snapshot($0, of: repository)) }
    }

    /// All repositories of the cache, in the order of their names.
    func repositories() -> [HubRepository] {
        ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
            .compactMap { name in
                guard name.hasPrefix(Self.prefix) else { return nil }
                return HubRepository(
                    name.dropFirst(Self.prefix.count).replacing("--", with: "/", maxReplacements: 1)
                )
            }
    }

    /// All text models of the cache.
    func models() -> [StoredModel] {
        repositories().flatMap { repository -> [StoredModel] in
            var seen: Set<String> = []
            return snapshots(of: repository).flatMap { snapshot in
                TextCandidate.all(in: snapshot.files).compactMap { candidate in
                    guard seen.insert(candidate.parts[0].path).inserted else { return nil }
                    return StoredModel(candidate, repository, snapshot)
                }
            }
        }
    }
}

/// The files of one commit of a repository, as far as they are in the cache.
struct HubSnapshot {
    /// The folder with the links to them.
    let folder: String
    /// Those that are there.
    let files: [RepositoryFile]

    init(folder: String) {
        self.folder = folder
        let paths = (try? FileManager.default.subpathsOfDirectory(atPath: folder)) ?? []
        files = paths.sorted().compactMap { path in
            guard let status = FileStatus(FilePath("\(folder)/\(path)")), status.kind == .file
            else {
                return nil
            }
            return RepositoryFile(path: path, size: status.version.size)
        }
    }

    func path(of file: RepositoryFile) -> String { "\(folder)/\(file.path)" }

    /// The paths of a choice among the files.
    func files(of model: HubModel, _ choice: FileChoice) -> ModelFiles {
        ModelFiles(
            name: "\(model)", text: path(of: choice.text[0]),
            projector: choice.projector.map { path(of: $0) }, place: folder,
            template: model.known?.template)
    }
}

extension StoredModel {
    /// A text model in the Hub's cache, under its short name if it has one.
    fileprivate init(
        _ candidate: TextCandidate, _ repository: HubRepository, _ snapshot: HubSnapshot
    ) {
        let known = KnownModel.all.first { known in
            known.repository == repository
                && known.files.contains { $0.path == candidate.parts[0].path }
        }
        let label = candidate.quantisation?.label
        let model =
            known.map { HubModel($0, quantisation: label) }
            ?? HubModel(repository, quantisation: label)
        let choice = try? FileChoice(model, among: snapshot.files)
        self.init(
            ModelFiles(
                name: "\(model)", text: snapshot.path(of: candidate.parts[0]),
                projector: choice?.projector.map { snapshot.path(of: $0) }, place: snapshot.folder,
                template: known?.template),
            quantisation: label, parts: candidate.parts.map { snapshot.path(of: $0) })
    }
}
