# Switchboard as it runs from source. `docker compose up -d` builds it; docs/operations.md tells the rest.
# Debian's slim image, for Claude Code and the guard of its processes (setpriv) are there as they were tested.
FROM node:24-bookworm-slim

WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --no-audit --no-fund
COPY src ./src

# The volume takes over whose its folder is.
ENV SWITCHBOARD_HOME=/home/node/.switchboard
RUN install -d -m 0700 -o node -g node "$SWITCHBOARD_HOME"
USER node
VOLUME $SWITCHBOARD_HOME
EXPOSE 7777

HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD \
  ["node", "-e", "fetch('http://127.0.0.1:7777/readyz').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]

# To be published to this machine alone: whoever reaches it needs nothing but the token.
ENTRYPOINT ["node", "src/cli/main.ts"]
CMD ["start", "--host", "0.0.0.0"]
