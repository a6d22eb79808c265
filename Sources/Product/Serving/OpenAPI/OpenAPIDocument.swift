// SPDX-License-Identifier: Apache-2.0
import Hummingbird

/// `GET /openapi.json`: what this server answers, for programs (OpenAPI 3.1).
struct OpenAPIDocument: Sendable {
    private let content = ByteBuffer(bytes: PackageResources.openapi_json)

    func answer(_ request: Request, _ context: ServerContext) -> Response {
        Response(
            status: .ok, headers: [.contentType: "application/json; charset=utf-8"],
            body: ResponseBody(byteBuffer: content))
    }
}
